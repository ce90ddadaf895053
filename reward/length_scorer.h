// Scores a response by its length alone: the simplest rule that a policy can
// be seen to learn.
#ifndef OPERANT_REWARD_LENGTH_SCORER_H_
#define OPERANT_REWARD_LENGTH_SCORER_H_

#include "reward/scorer.h"

namespace operant::reward {

// Minus a thousandth per response token, the stop token included. Component
// `tokens`: their number.
class LengthScorer final : public ItemScorer {
 public:
  v1::GetInfoResponse Describe() const override;

 protected:
  absl::Status ScoreItem(const v1::ScoreItem& item,
                         v1::ScoreResult& result) const override;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_LENGTH_SCORER_H_
