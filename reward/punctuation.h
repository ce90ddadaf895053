// The spelling rules of a definition's spaces and punctuation.
#ifndef OPERANT_REWARD_PUNCTUATION_H_
#define OPERANT_REWARD_PUNCTUATION_H_

#include <string_view>

namespace operant::reward {

// Why `text` breaks the rules below, or "" if it does not. The answer is a
// constant, never part of the text. Linear.
//
//   alphabet   lower-case ASCII letters, digits, space and , ; ( ) ' - . / `
//   space      single; none at either end
//   , ;        after a word, then a space (a comma also between digits); never
//              last
//   .          after a word; then a space, a mark that closes, a digit or the
//              end; inside an abbreviation of single letters ("e.g.", "u.s.");
//              before a number (".45")
//   ( )        balanced, hugging what they hold; a space before, a space or a
//              mark after
//   -          between word characters; doubled as a dash, with a space on
//              both sides or none; "short- or long-haired"; "(1946-)"
//   /          between word characters
//   ' `        in a word ("dog's"), after a plural ("dogs'"), or as a pair of
//              quotes around words
//
// With `cut` the text is the beginning of a longer one: its end breaks no rule.
std::string_view PunctuationFault(std::string_view text, bool cut);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_PUNCTUATION_H_
