// Scores a response 1 if its answer equals the row's ground truth, else 0.
#ifndef OPERANT_REWARD_MATH_SCORER_H_
#define OPERANT_REWARD_MATH_SCORER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "reward/pattern.h"
#include "reward/scorer.h"

namespace operant::reward {

// The answer is what rule.pattern's last match holds or, without a pattern,
// where FindMathAnswer() finds it; equal is what SameMathValue() says.
// Component `answered`: whether there is an answer. An item without a ground
// truth is an error.
class MathScorer final : public ItemScorer {
 public:
  // Errors: InvalidArgument (rule.pattern does not compile).
  static absl::StatusOr<std::unique_ptr<Scorer>> Create(
      const v1::AnswerRule& rule);

  v1::GetInfoResponse Describe() const override;

 protected:
  absl::Status ScoreItem(const v1::ScoreItem& item,
                         v1::ScoreResult& result) const override;

 private:
  MathScorer(std::unique_ptr<const Pattern> pattern, double tolerance);

  const std::unique_ptr<const Pattern> pattern_;  // null: FindMathAnswer()
  const double tolerance_;
};

// Whether `answer`, an answer alone or with a remark behind its number ("5
// since 2 + 3 = 5"), equals `truth`.
bool SameMathAnswer(const std::string& truth, const std::string& answer,
                    double tolerance);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_MATH_SCORER_H_
