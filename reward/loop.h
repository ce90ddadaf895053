// Finds the repetitions of a model that has got stuck.
#ifndef OPERANT_REWARD_LOOP_H_
#define OPERANT_REWARD_LOOP_H_

#include <string_view>
#include <vector>

namespace operant::reward {

// Whether `words` hold a block of 1-2 words three times in a row, a block of
// 3-8 words twice in a row, or any run of four words three times (overlaps
// counted). Linear in the number of words.
bool HasLoop(const std::vector<std::string_view>& words);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_LOOP_H_
