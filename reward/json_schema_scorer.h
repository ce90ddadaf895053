// Scores a response 1 if it is JSON that a schema accepts, else 0.
#ifndef OPERANT_REWARD_JSON_SCHEMA_SCORER_H_
#define OPERANT_REWARD_JSON_SCHEMA_SCORER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "reward/scorer.h"

namespace operant::reward {

// JSON Schema draft 7. The response is one JSON value, alone or in a fenced
// block. Components: `json` (it parses), `valid` (the schema accepts it). The
// note `schema` tells where it does not.
class JsonSchemaScorer final : public ItemScorer {
 public:
  // Reads the schema from the file `path`. Errors: NotFound; InvalidArgument
  // (not JSON, or not a schema: the message names the place; a reference to
  // another document, which is never fetched).
  static absl::StatusOr<std::unique_ptr<Scorer>> Create(
      const std::string& path);
  ~JsonSchemaScorer() override;

  v1::GetInfoResponse Describe() const override;

 protected:
  absl::Status ScoreItem(const v1::ScoreItem& item,
                         v1::ScoreResult& result) const override;

 private:
  class Compiled;  // keeps valijson out of the header
  explicit JsonSchemaScorer(std::unique_ptr<const Compiled> schema);

  const std::unique_ptr<const Compiled> schema_;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_JSON_SCHEMA_SCORER_H_
