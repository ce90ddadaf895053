// Scores a response 1 if its answer is the row's ground truth, else 0.
#ifndef OPERANT_REWARD_EXACT_SCORER_H_
#define OPERANT_REWARD_EXACT_SCORER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "reward/pattern.h"
#include "reward/scorer.h"

namespace operant::reward {

// The answer is the whole response or what rule.pattern's last match holds;
// white space at both ends of either side does not count. Component
// `answered`: whether there is an answer. An item without a ground truth is an
// error.
class ExactScorer final : public ItemScorer {
 public:
  // Errors: InvalidArgument (rule.pattern does not compile).
  static absl::StatusOr<std::unique_ptr<Scorer>> Create(
      const v1::AnswerRule& rule);

  v1::GetInfoResponse Describe() const override;

 protected:
  absl::Status ScoreItem(const v1::ScoreItem& item,
                         v1::ScoreResult& result) const override;

 private:
  ExactScorer(std::unique_ptr<const Pattern> pattern, bool ignore_case);

  const std::unique_ptr<const Pattern> pattern_;  // null: the whole response
  const bool ignore_case_;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_EXACT_SCORER_H_
