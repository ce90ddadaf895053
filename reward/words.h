// How a response divides into words. One definition for the detector and for
// every statistic about responses.
#ifndef OPERANT_REWARD_WORDS_H_
#define OPERANT_REWARD_WORDS_H_

#include <string_view>
#include <vector>

namespace operant::reward {

// The punctuation of a definition's text.
inline constexpr std::string_view kPunctuation = ",;()'-./`";

// The text split at spaces, each piece without the punctuation at its ends;
// pieces of punctuation alone are no words. Views into `text`.
//   "a well-known (u.s.) dog" -> a, well-known, u.s, dog
std::vector<std::string_view> Words(std::string_view text);

// The text split at spaces and at all punctuation except an apostrophe or a
// comma inside a word ("1,000"): what a lexicon lists. Views into `text`.
//   "a well-known (u.s.) dog's" -> a, well, known, u, s, dog's
std::vector<std::string_view> WordParts(std::string_view text);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_WORDS_H_
