#define PCRE2_CODE_UNIT_WIDTH 8
#include "reward/regex_scorer.h"

#include <pcre2.h>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace operant::reward {
namespace {

// A sane pattern on a response of 100 kB stays far below; at the limit a
// search has taken tens of milliseconds.
constexpr uint32_t kMatchLimit = 1'000'000;
constexpr uint32_t kHeapLimitKib = 16 * 1024;

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

}  // namespace

// A compiled pattern; immutable, so that threads share it.
class RegexScorer::Program {
 public:
  static absl::StatusOr<std::unique_ptr<Program>> Compile(
      const std::string& pattern) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    Code code(pcre2_compile(Bytes(pattern), pattern.size(), PCRE2_UTF, &error,
                            &offset, nullptr));
    if (code == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(
          "pattern does not compile: reward.pattern, at byte ", offset, ": ",
          ErrorText(error), "; expected a PCRE2 pattern"));
    }
    return std::make_unique<Program>(std::move(code));
  }

  explicit Program(Code code)
      : code_(std::move(code)), limits_(pcre2_match_context_create(nullptr)) {
    pcre2_set_match_limit(limits_.get(), kMatchLimit);
    pcre2_set_depth_limit(limits_.get(), kMatchLimit);
    pcre2_set_heap_limit(limits_.get(), kHeapLimitKib);
  }

  absl::StatusOr<bool> Finds(const std::string& text) const {
    MatchData data(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    const int found = pcre2_match(code_.get(), Bytes(text), text.size(), 0, 0,
                                  data.get(), limits_.get());
    if (found >= 0) return true;
    if (found == PCRE2_ERROR_NOMATCH) return false;
    return absl::ResourceExhaustedError(
        absl::StrCat("search was given up: ", ErrorText(found),
                     ", expected at "
                     "most ",
                     kMatchLimit,
                     " match steps; simplify "
                     "reward.pattern"));
  }

 private:
  const Code code_;
  const MatchContext limits_;
};

absl::StatusOr<std::unique_ptr<Scorer>> RegexScorer::Create(
    const std::string& pattern) {
  if (pattern.empty()) {
    return absl::InvalidArgumentError(
        "regex scorer has no pattern: reward.pattern='', expected a PCRE2 "
        "pattern; set reward.pattern");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Program> program, Program::Compile(pattern));
  return std::unique_ptr<Scorer>(new RegexScorer(std::move(program)));
}

RegexScorer::RegexScorer(std::unique_ptr<Program> program)
    : program_(std::move(program)) {}

RegexScorer::~RegexScorer() = default;

v1::GetInfoResponse RegexScorer::Describe() const {
  v1::GetInfoResponse info;
  info.set_name("regex");
  info.set_version("1");
  info.add_needs(v1::GetInfoResponse::TEXT);
  info.set_deterministic(true);
  info.set_has_score_range(true);
  info.set_score_min(0);
  info.set_score_max(1);
  return info;
}

absl::Status RegexScorer::ScoreItem(const v1::ScoreItem& item,
                                    v1::ScoreResult& result) const {
  ASSIGN_OR_RETURN(const bool found, program_->Finds(item.response()));
  result.set_score(found ? 1 : 0);
  return absl::OkStatus();
}

}  // namespace operant::reward
