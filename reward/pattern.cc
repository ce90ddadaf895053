#define PCRE2_CODE_UNIT_WIDTH 8
#include "reward/pattern.h"

#include <pcre2.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace operant::reward {
namespace {

// A sane pattern on a response of 100 kB stays far below; at the limit a
// search has taken tens of milliseconds.
constexpr uint32_t kMatchLimit = 1'000'000;
constexpr uint32_t kHeapLimitKib = 16 * 1024;
// LastMatch() steps through this many at most: with them a pattern that
// matches nearly everywhere still ends.
constexpr int kMaxMatches = 100'000;

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Code = std::unique_ptr<pcre2_code, Deleter<pcre2_code_free>>;
using MatchContext =
    std::unique_ptr<pcre2_match_context, Deleter<pcre2_match_context_free>>;
using MatchData =
    std::unique_ptr<pcre2_match_data, Deleter<pcre2_match_data_free>>;

std::string ErrorText(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

PCRE2_SPTR Bytes(const std::string& text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

class CompiledPattern final : public Pattern {
 public:
  CompiledPattern(Code code, std::string key)
      : code_(std::move(code)),
        limits_(pcre2_match_context_create(nullptr)),
        key_(std::move(key)) {
    pcre2_set_match_limit(limits_.get(), kMatchLimit);
    pcre2_set_depth_limit(limits_.get(), kMatchLimit);
    pcre2_set_heap_limit(limits_.get(), kHeapLimitKib);
  }

  absl::StatusOr<bool> Finds(const std::string& text) const override {
    const MatchData data = NewMatchData();
    return Search(text, 0, data.get());
  }

  absl::StatusOr<std::optional<std::string>> LastMatch(
      const std::string& text) const override {
    const MatchData data = NewMatchData();
    std::optional<std::string> last;
    size_t from = 0;
    for (int matches = 0; from <= text.size(); ++matches) {
      if (matches == kMaxMatches) return TooMuch("too many matches");
      ASSIGN_OR_RETURN(const bool found, Search(text, from, data.get()));
      if (!found) break;
      const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
      last = Group(text, data.get());
      from = ends[1] > ends[0] ? ends[1] : NextCharacter(text, ends[1]);
    }
    return last;
  }

 private:
  MatchData NewMatchData() const {
    return MatchData(
        pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  }

  absl::StatusOr<bool> Search(const std::string& text, size_t from,
                              pcre2_match_data* data) const {
    const int found = pcre2_match(code_.get(), Bytes(text), text.size(), from,
                                  0, data, limits_.get());
    if (found >= 0) return true;
    if (found == PCRE2_ERROR_NOMATCH) return false;
    return TooMuch(ErrorText(found));
  }

  absl::Status TooMuch(const std::string& why) const {
    return absl::ResourceExhaustedError(
        absl::StrCat("search was given up: ", why, ", expected at most ",
                     kMatchLimit, " match steps; simplify ", key_));
  }

  // A group that took no part in the match is empty.
  static std::string Group(const std::string& text, pcre2_match_data* data) {
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
    const int group = pcre2_get_ovector_count(data) > 1 ? 1 : 0;
    if (ends[2 * group] == PCRE2_UNSET) return "";
    return text.substr(ends[2 * group], ends[2 * group + 1] - ends[2 * group]);
  }

  static size_t NextCharacter(const std::string& text, size_t at) {
    ++at;
    while (at < text.size() && (text[at] & 0xC0) == 0x80) ++at;
    return at;
  }

  const Code code_;
  const MatchContext limits_;
  const std::string key_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Pattern>> Pattern::Compile(
    const std::string& pattern, const std::string& key) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(Bytes(pattern), pattern.size(), PCRE2_UTF, &error,
                          &offset, nullptr));
  if (code == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("pattern does not compile: ", key, ", at byte ", offset,
                     ": ", ErrorText(error), "; expected a PCRE2 pattern"));
  }
  return std::make_unique<CompiledPattern>(std::move(code), key);
}

}  // namespace operant::reward
