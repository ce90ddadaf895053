// Scores a response by the rating that people gave it.
#ifndef OPERANT_REWARD_RATINGS_SCORER_H_
#define OPERANT_REWARD_RATINGS_SCORER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "reward/scorer.h"

namespace operant::reward {

// Looks (prompt, response) up in a file of ratings. A response that nobody
// rated is a NotFound error, never a score: reward.on_error says what then
// becomes of it. White space at both ends of a text does not count.
class RatingsScorer final : public ItemScorer {
 public:
  // Reads JSONL rows {"prompt": text, "response": text, "rating": number};
  // other members are left alone. Errors: NotFound (no file); DataLoss naming
  // line and field: not a row, a rating that is not finite, a (prompt,
  // response) that an earlier line rates; no rows.
  static absl::StatusOr<std::unique_ptr<Scorer>> Create(
      const std::string& path);

  v1::GetInfoResponse Describe() const override;

 protected:
  absl::Status ScoreItem(const v1::ScoreItem& item,
                         v1::ScoreResult& result) const override;

 private:
  struct Rating {
    double value = 0;
    int64_t line = 0;
  };
  // By a digest of prompt and response: a file of millions fits in memory.
  using Ratings = absl::flat_hash_map<std::string, Rating>;

  static absl::Status AddRow(const std::string& path, int64_t line,
                             std::string_view text, Ratings& ratings);
  explicit RatingsScorer(Ratings ratings);

  const Ratings ratings_;
  double lowest_;
  double highest_;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_RATINGS_SCORER_H_
