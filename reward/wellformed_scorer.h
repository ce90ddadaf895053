// Scores a response 1 if it is well-formed and 0 if it has gone haywire.
#ifndef OPERANT_REWARD_WELLFORMED_SCORER_H_
#define OPERANT_REWARD_WELLFORMED_SCORER_H_

#include "reward/lexicon.h"
#include "reward/scorer.h"

namespace operant::reward {

// Components loop, garbage, empty and nonstop: each 1 if the response fails in
// that way, else 0 (see Diagnose). The note `garbage` says why. An item without
// a finish reason, or aborted, is an InvalidArgument error.
class WellformedScorer final : public ItemScorer {
 public:
  explicit WellformedScorer(Lexicon lexicon);

  v1::GetInfoResponse Describe() const override;

 protected:
  absl::Status ScoreItem(const v1::ScoreItem& item,
                         v1::ScoreResult& result) const override;

 private:
  const Lexicon lexicon_;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_WELLFORMED_SCORER_H_
