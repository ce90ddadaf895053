#include "reward/words.h"

namespace operant::reward {
namespace {

// No comma: it stands inside a number, or at the end of a word.
constexpr std::string_view kPartSeparators = " ;()-./`";
constexpr std::string_view kPartEnds = ",'";

std::string_view Strip(std::string_view piece, std::string_view marks) {
  const size_t first = piece.find_first_not_of(marks);
  if (first == std::string_view::npos) return {};
  return piece.substr(first, piece.find_last_not_of(marks) - first + 1);
}

// The non-empty pieces between `separators`, without `marks` at their ends.
std::vector<std::string_view> Split(std::string_view text,
                                    std::string_view separators,
                                    std::string_view marks) {
  std::vector<std::string_view> pieces;
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = text.find_first_of(separators, begin);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view piece =
        Strip(text.substr(begin, end - begin), marks);
    if (!piece.empty()) pieces.push_back(piece);
    begin = end + 1;
  }
  return pieces;
}

}  // namespace

std::vector<std::string_view> Words(std::string_view text) {
  return Split(text, " ", kPunctuation);
}

std::vector<std::string_view> WordParts(std::string_view text) {
  return Split(text, kPartSeparators, kPartEnds);
}

}  // namespace operant::reward
