// Scores a response 1 if a pattern is found in it, else 0.
#ifndef OPERANT_REWARD_REGEX_SCORER_H_
#define OPERANT_REWARD_REGEX_SCORER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "reward/pattern.h"
#include "reward/scorer.h"

namespace operant::reward {

// A search that would take too long (catastrophic backtracking) is stopped by
// fixed match limits: that item is a ResourceExhausted error, not a 0.
class RegexScorer final : public ItemScorer {
 public:
  // `pattern` is PCRE2 in UTF mode. Errors: InvalidArgument (empty, or does not
  // compile; the message says where).
  static absl::StatusOr<std::unique_ptr<Scorer>> Create(
      const std::string& pattern);

  v1::GetInfoResponse Describe() const override;

 protected:
  absl::Status ScoreItem(const v1::ScoreItem& item,
                         v1::ScoreResult& result) const override;

 private:
  explicit RegexScorer(std::unique_ptr<const Pattern> pattern);

  const std::unique_ptr<const Pattern> pattern_;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_REGEX_SCORER_H_
