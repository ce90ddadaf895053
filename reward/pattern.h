// A PCRE2 pattern whose searches end: fixed limits stop what backtracks.
#ifndef OPERANT_REWARD_PATTERN_H_
#define OPERANT_REWARD_PATTERN_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace operant::reward {

// Immutable, so that threads share it.
class Pattern {
 public:
  // `pattern` is PCRE2 in UTF mode; `key` is where it was configured, for
  // errors: InvalidArgument (does not compile; the message says at which byte).
  static absl::StatusOr<std::unique_ptr<const Pattern>> Compile(
      const std::string& pattern, const std::string& key);
  virtual ~Pattern() = default;

  // Whether the pattern is found in `text`. ResourceExhausted if the search
  // would take too long (catastrophic backtracking).
  virtual absl::StatusOr<bool> Finds(const std::string& text) const = 0;

  // What the first group holds in the pattern's last match (the whole match if
  // the pattern has no group); none without a match. Errors as Finds().
  virtual absl::StatusOr<std::optional<std::string>> LastMatch(
      const std::string& text) const = 0;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_PATTERN_H_
