// The pre_tokenizer of a tokenizer.json: cuts text into the pieces that BPE
// works within.
#ifndef OPERANT_COMMON_TEXT_PRE_TOKENIZER_H_
#define OPERANT_COMMON_TEXT_PRE_TOKENIZER_H_

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/text/split_pattern.h"

namespace operant {

// Immutable and thread-safe after creation.
class PreTokenizer {
 public:
  // ByteLevel, or a Sequence of Digits and Split that ends with ByteLevel.
  // Errors: DataLoss (malformed); Unimplemented, naming the component.
  static absl::StatusOr<PreTokenizer> FromJson(const nlohmann::json& json);

  // Calls `piece` for each piece in order. A piece is only valid in the call:
  // with add_prefix_space it is not a part of `text`.
  void Split(std::string_view text,
             absl::FunctionRef<void(std::string_view)> piece) const;

 private:
  struct Step {
    enum class Kind { kPattern, kEachDigit, kDigitRuns, kPrefixSpace };
    Kind kind;
    SplitPattern pattern = SplitPattern::kGpt2;
  };

  explicit PreTokenizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  static absl::StatusOr<std::vector<Step>> ParseByteLevel(
      const nlohmann::json& json);
  static absl::StatusOr<Step> ParseStep(const nlohmann::json& json);
  static absl::StatusOr<Step> ParseSplit(const nlohmann::json& json);

  void RunFrom(size_t step, std::string_view text,
               absl::FunctionRef<void(std::string_view)> piece) const;
  static size_t EndOfPiece(const Step& step, std::string_view text,
                           size_t begin);

  std::vector<Step> steps_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_PRE_TOKENIZER_H_
