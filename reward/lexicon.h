// The words that a well-formed response may use.
#ifndef OPERANT_REWARD_LEXICON_H_
#define OPERANT_REWARD_LEXICON_H_

#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "absl/status/statusor.h"

namespace operant::reward {

// Immutable, hence thread-safe.
class Lexicon {
 public:
  // Reads one entry a line ("mother-in-law" enters as its three parts, since
  // parts are what Knows() is asked about). Errors: as ForEachLine
  // says; InvalidArgument if no word is in it.
  static absl::StatusOr<Lexicon> Load(const std::string& path);

  explicit Lexicon(const std::vector<std::string>& entries);

  // Whether `part` (see WordParts) is a word: listed, the possessive of a
  // listed word, or a number ("12", "1,000", "1960s", "3rd").
  bool Knows(std::string_view part) const;

  size_t size() const { return words_.size(); }

 private:
  Lexicon() = default;
  void Add(std::string_view entry);

  // Lets a view be looked up without a copy.
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_set<std::string, Hash, std::equal_to<>> words_;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_LEXICON_H_
