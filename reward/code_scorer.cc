#include "reward/code_scorer.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace operant::reward {
namespace {

constexpr const char* kEnds[] = {"passed",  "failed", "crashed",
                                 "timeout", "output", "no_program"};
constexpr char kFence[] = "```";

bool IsPython(absl::string_view language) {
  const std::string name =
      absl::AsciiStrToLower(absl::StripAsciiWhitespace(language));
  return name.empty() || name == "python" || name == "py" || name == "python3";
}

absl::Status CheckLanguage(const v1::ScoreItem& item) {
  const auto& fields = item.metadata().fields();
  const auto language = fields.find("language");
  if (language == fields.end() || IsPython(language->second.string_value())) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "code is in an unknown language: row='", item.group_id(),
      "' metadata.language='", language->second.string_value(),
      "', expected python; leave the row out or score it elsewhere "
      "(reward.endpoints[].data_sources)"));
}

const char* NameOf(SandboxVerdict::End end) {
  return kEnds[static_cast<int>(end)];
}

}  // namespace

absl::StatusOr<std::unique_ptr<Scorer>> CodeScorer::Create(
    const v1::Sandbox& config) {
  ASSIGN_OR_RETURN(auto sandbox, Sandbox::Create(config));
  return std::unique_ptr<Scorer>(new CodeScorer(std::move(sandbox)));
}

CodeScorer::CodeScorer(std::unique_ptr<const Sandbox> sandbox)
    : sandbox_(std::move(sandbox)) {}

v1::GetInfoResponse CodeScorer::Describe() const {
  v1::GetInfoResponse info = TextRuleInfo("code", {});
  for (const char* end : kEnds) info.add_component_names(end);
  // Programs may look at the clock or draw lots, and limits are in seconds.
  info.set_deterministic(false);
  return info;
}

absl::Status CodeScorer::ScoreItem(const v1::ScoreItem& item,
                                   v1::ScoreResult& result) const {
  RETURN_IF_ERROR(RequireGroundTruth(item));
  RETURN_IF_ERROR(CheckLanguage(item));
  const std::optional<std::string> program = FindProgram(item.response());
  const char* end = "no_program";
  if (program) {
    const absl::StatusOr<SandboxVerdict> verdict =
        sandbox_->Run(*program, item.ground_truth());
    if (!verdict.ok()) {
      return absl::Status(
          verdict.status().code(),
          absl::StrCat("code was not judged: row='", item.group_id(),
                       "' ground_truth: ", verdict.status().message()));
    }
    end = NameOf(verdict->end);
    if (!verdict->said.empty()) {
      (*result.mutable_notes())["said"] = verdict->said;
    }
  }
  for (const char* name : kEnds) {
    (*result.mutable_components())[name] = name == std::string(end);
  }
  result.set_score(result.components().at("passed"));
  return absl::OkStatus();
}

std::optional<std::string> FindProgram(const std::string& response) {
  std::optional<std::string> program;
  size_t open = response.find(kFence);
  if (open == response.npos) {
    // A response goes on from its prompt, often with a blank: an indent there
    // says nothing, and Python refuses it.
    const auto text = absl::StripLeadingAsciiWhitespace(response);
    if (text.empty()) return {};
    return std::string(text);
  }
  while (open != response.npos) {
    const size_t line = response.find('\n', open);
    if (line == response.npos) break;
    const size_t close = response.find(kFence, line);
    const std::string language = response.substr(open + 3, line - open - 3);
    if (IsPython(language)) {
      program = response.substr(
          line + 1, close == response.npos ? close : close - line - 1);
    }
    open = close == response.npos ? close : response.find(kFence, close + 3);
  }
  return program;
}

}  // namespace operant::reward
