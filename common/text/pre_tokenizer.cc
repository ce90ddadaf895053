#include "common/text/pre_tokenizer.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/text/json_reader.h"
#include "common/text/unicode.h"

namespace operant {
namespace {

constexpr std::string_view kWhere = "pre_tokenizer";

absl::Status UnsupportedError(std::string_view what) {
  return absl::UnimplementedError(fmt::format(
      "tokenizer not supported: {}, expected ByteLevel, or a Sequence of "
      "Digits and Split (GPT-2, Llama-3 "
      "or Qwen2 pattern) that ends with ByteLevel; use a model with such a "
      "tokenizer",
      what));
}

size_t EndOfDigits(std::string_view text, size_t begin, bool each_digit) {
  Scalar scalar = DecodeScalar(text, begin);
  const bool numeric = IsNumeric(scalar.value);
  size_t end = begin + scalar.length;
  if (numeric && each_digit) return end;
  while (end < text.size()) {
    scalar = DecodeScalar(text, end);
    if (IsNumeric(scalar.value) != numeric) break;
    end += scalar.length;
  }
  return end;
}

}  // namespace

absl::StatusOr<PreTokenizer> PreTokenizer::FromJson(
    const nlohmann::json& json) {
  if (json.is_null()) return UnsupportedError("pre_tokenizer=null");
  ASSIGN_OR_RETURN(const std::string type, TypeOf(json, kWhere));
  nlohmann::json sequence = nlohmann::json::array({json});
  if (type == "Sequence") sequence = Member(json, "pretokenizers");
  if (!sequence.is_array() || sequence.empty()) {
    return MalformedError("pre_tokenizer.pretokenizers",
                          "expected a list of pre-tokenizers");
  }
  std::vector<Step> steps;
  for (size_t i = 0; i + 1 < sequence.size(); ++i) {
    ASSIGN_OR_RETURN(const Step step, ParseStep(sequence[i]));
    steps.push_back(step);
  }
  ASSIGN_OR_RETURN(const std::vector<Step> last,
                   ParseByteLevel(sequence.back()));
  steps.insert(steps.end(), last.begin(), last.end());
  return PreTokenizer(std::move(steps));
}

absl::StatusOr<std::vector<PreTokenizer::Step>> PreTokenizer::ParseByteLevel(
    const nlohmann::json& json) {
  ASSIGN_OR_RETURN(const std::string type, TypeOf(json, kWhere));
  if (type != "ByteLevel") {
    return UnsupportedError(absl::StrCat("pre_tokenizer ends with ", type));
  }
  ASSIGN_OR_RETURN(const bool prefix_space,
                   BoolMember(json, "add_prefix_space", kWhere, true));
  ASSIGN_OR_RETURN(const bool use_regex,
                   BoolMember(json, "use_regex", kWhere, true));
  std::vector<Step> steps;
  if (prefix_space) steps.push_back({Step::Kind::kPrefixSpace});
  if (use_regex) steps.push_back({Step::Kind::kPattern, SplitPattern::kGpt2});
  return steps;
}

absl::StatusOr<PreTokenizer::Step> PreTokenizer::ParseStep(
    const nlohmann::json& json) {
  ASSIGN_OR_RETURN(const std::string type, TypeOf(json, kWhere));
  if (type == "Split") return ParseSplit(json);
  if (type == "Digits") {
    ASSIGN_OR_RETURN(const bool each,
                     BoolMember(json, "individual_digits", kWhere, false));
    return Step{each ? Step::Kind::kEachDigit : Step::Kind::kDigitRuns};
  }
  return UnsupportedError(
      absl::StrCat("pre_tokenizer.type=", type, " before the end"));
}

absl::StatusOr<PreTokenizer::Step> PreTokenizer::ParseSplit(
    const nlohmann::json& json) {
  const nlohmann::json& pattern = Member(json, "pattern");
  if (!pattern.is_object()) {
    return MalformedError("pre_tokenizer.pattern", "expected an object");
  }
  ASSIGN_OR_RETURN(const std::string regex,
                   StringMember(pattern, "Regex", "pre_tokenizer.pattern"));
  const std::optional<SplitPattern> known = FindSplitPattern(regex);
  if (!known.has_value()) {
    return UnsupportedError("a Split with another pattern");
  }
  ASSIGN_OR_RETURN(const std::string behavior,
                   StringMember(json, "behavior", kWhere));
  ASSIGN_OR_RETURN(const bool invert,
                   BoolMember(json, "invert", kWhere, false));
  // The patterns leave no gap, so that to isolate the matches and to remove
  // what is between them come to the same.
  if (behavior == "Isolated" || (behavior == "Removed" && invert)) {
    return Step{Step::Kind::kPattern, *known};
  }
  return UnsupportedError(absl::StrCat("Split with behavior=", behavior,
                                       " invert=", invert ? "true" : "false"));
}

void PreTokenizer::Split(
    std::string_view text,
    absl::FunctionRef<void(std::string_view)> piece) const {
  if (!text.empty()) RunFrom(0, text, piece);
}

void PreTokenizer::RunFrom(
    size_t step, std::string_view text,
    absl::FunctionRef<void(std::string_view)> piece) const {
  if (step == steps_.size()) return piece(text);
  if (steps_[step].kind == Step::Kind::kPrefixSpace) {
    if (text.front() == ' ') return RunFrom(step + 1, text, piece);
    return RunFrom(step + 1, fmt::format(" {}", text), piece);
  }
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = EndOfPiece(steps_[step], text, begin);
    RunFrom(step + 1, text.substr(begin, end - begin), piece);
    begin = end;
  }
}

size_t PreTokenizer::EndOfPiece(const Step& step, std::string_view text,
                                size_t begin) {
  if (step.kind == Step::Kind::kPattern) {
    return NextSplit(step.pattern, text, begin);
  }
  return EndOfDigits(text, begin, step.kind == Step::Kind::kEachDigit);
}

}  // namespace operant
