// From trajectories to what a reward server is asked.
#ifndef OPERANT_LEARNER_SCORE_ITEMS_H_
#define OPERANT_LEARNER_SCORE_ITEMS_H_

#include <span>
#include <string>
#include <vector>

#include "common/text/prompt_dataset.h"
#include "common/text/tokenizer.h"
#include "operant/v1/reward.pb.h"
#include "operant/v1/trajectory.pb.h"

namespace operant::learner {

// The item of a trajectory, whose prompt is `row`. Text is valid UTF-8 without
// special tokens, `text_lossy` where bytes had to be replaced; ids are
// authoritative. The gateway leaves out what a server does not need and adds
// the content digest.
v1::ScoreItem MakeScoreItem(const v1::Trajectory& trajectory,
                            const PromptRow& row, const Tokenizer& tokenizer);

// One per trajectory, in order; `rows[i]` is the row of trajectory i.
std::vector<v1::ScoreItem> MakeScoreItems(
    std::span<const v1::Trajectory> trajectories,
    std::span<const PromptRow* const> rows, const Tokenizer& tokenizer);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_SCORE_ITEMS_H_
