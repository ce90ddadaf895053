// Scores a response by what a chat model says of it.
#ifndef OPERANT_REWARD_JUDGE_SCORER_H_
#define OPERANT_REWARD_JUDGE_SCORER_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "reward/judge_client.h"
#include "reward/pattern.h"
#include "reward/scorer.h"

namespace operant::reward {

// Asks judge.question ({prompt}, {response}, {ground_truth} filled in) and
// reads the last "score: N" of the reply, or the reply that is a number alone.
// Any other reply, or a score out of judge.min_score to max_score, is an error
// of the item, as is a judge that cannot be reached (retryable).
class JudgeScorer final : public Scorer {
 public:
  // Errors: those of JudgeClient::Create.
  static absl::StatusOr<std::unique_ptr<Scorer>> Create(const v1::Judge& judge);

  v1::GetInfoResponse Describe() const override;
  void Score(const Items& items, const Cancelled& cancelled,
             Results& results) const override;

 private:
  JudgeScorer(const v1::Judge& judge, std::unique_ptr<const JudgeClient> client,
              std::unique_ptr<const Pattern> verdict);
  absl::StatusOr<double> ScoreItem(const v1::ScoreItem& item) const;

  const v1::Judge judge_;
  const std::unique_ptr<const JudgeClient> client_;
  const std::unique_ptr<const Pattern> verdict_;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_JUDGE_SCORER_H_
