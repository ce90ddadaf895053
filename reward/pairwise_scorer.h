// Scores the responses of a group by which of each two a chat model prefers.
#ifndef OPERANT_REWARD_PAIRWISE_SCORER_H_
#define OPERANT_REWARD_PAIRWISE_SCORER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "reward/bradley_terry.h"
#include "reward/judge_client.h"
#include "reward/pattern.h"
#include "reward/scorer.h"

namespace operant::reward {

// Every two responses of a group are compared once (judge.question with
// {prompt}, {first}, {second}); who comes first takes turns. The reply's last
// "verdict: first|second|tie" counts. A response's score is its Bradley-Terry
// log strength within the group, whose mean is 0; component `wins`: the share
// of its comparisons that it won.
//
// A comparison that fails, or a reply without a verdict, is an error of all
// items of the group: without it their scores would not be comparable. So is a
// group of one.
class PairwiseScorer final : public Scorer {
 public:
  // Errors: those of JudgeClient::Create.
  static absl::StatusOr<std::unique_ptr<Scorer>> Create(const v1::Judge& judge);

  v1::GetInfoResponse Describe() const override;
  void Score(const Items& items, const Cancelled& cancelled,
             Results& results) const override;

 private:
  PairwiseScorer(const v1::Judge& judge,
                 std::unique_ptr<const JudgeClient> client,
                 std::unique_ptr<const Pattern> verdict);
  // What `first` wins against `second`.
  absl::StatusOr<double> Compare(const v1::ScoreItem& first,
                                 const v1::ScoreItem& second) const;
  absl::StatusOr<std::vector<Comparison>> CompareAll(
      const std::vector<const v1::ScoreItem*>& group,
      const Cancelled& cancelled) const;

  const v1::Judge judge_;
  const std::unique_ptr<const JudgeClient> client_;
  const std::unique_ptr<const Pattern> verdict_;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_PAIRWISE_SCORER_H_
