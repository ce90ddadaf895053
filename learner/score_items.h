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

// One item per trajectory, in order. `rows[i]` is the prompt's row of
// trajectory i. Text is valid UTF-8 without special tokens, `text_lossy` where
// bytes had to be replaced; ids are authoritative. The gateway leaves out what
// a server does not need and adds the content digest.
std::vector<v1::ScoreItem> MakeScoreItems(
    std::span<const v1::Trajectory> trajectories,
    std::span<const PromptRow* const> rows, const Tokenizer& tokenizer);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_SCORE_ITEMS_H_
