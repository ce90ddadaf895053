#include "common/text/preference_dataset.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/text/json_reader.h"

namespace operant {
namespace {

constexpr uint64_t kMaxLineBytes = 16 << 20;

absl::Status BadRow(const std::string& path, int64_t line,
                    const std::string& what) {
  return absl::DataLossError(absl::StrCat(path, ":", line, ": ", what));
}

absl::StatusOr<std::string> RequiredText(const nlohmann::json& row,
                                         const char* name) {
  const nlohmann::json& value = Member(row, name);
  if (value.is_string()) return value.get<std::string>();
  return MalformedError(name,
                        absl::StrCat("expected text, got ", value.type_name()));
}

// "stop", also as an enum's name; absent is "stop".
absl::StatusOr<bool> ReadStopped(const nlohmann::json& row, const char* name) {
  ASSIGN_OR_RETURN(const std::string finish, StringMember(row, name, "row"));
  if (finish.empty() || finish == "stop" || finish == "FINISH_REASON_STOP")
    return true;
  if (finish == "length" || finish == "FINISH_REASON_LENGTH") return false;
  return MalformedError(name, "expected \"stop\" or \"length\"");
}

absl::StatusOr<double> ReadNumber(const nlohmann::json& row, const char* name) {
  const nlohmann::json& value = Member(row, name);
  if (value.is_number() && std::isfinite(value.get<double>()))
    return value.get<double>();
  return MalformedError(
      name, absl::StrCat("expected a finite number, got ", value.type_name()));
}

absl::StatusOr<JudgedResponse> ReadSide(const nlohmann::json& row,
                                        const char* name, const char* finish) {
  JudgedResponse side;
  ASSIGN_OR_RETURN(side.text, RequiredText(row, name));
  ASSIGN_OR_RETURN(side.stopped, ReadStopped(row, finish));
  if (!side.text.empty()) return side;
  // A file that lost a text looks like this, too; the end has to be stated.
  if (side.stopped && !Member(row, finish).is_null()) return side;
  return MalformedError(
      name, absl::StrCat("expected text, got nothing at all; leave the row "
                         "out, or say ",
                         finish, "=\"stop\" if the response ended at once"));
}

absl::StatusOr<nlohmann::json> ParseObject(std::string_view text) {
  ASSIGN_OR_RETURN(nlohmann::json row, ParseJson(text));
  if (row.is_object()) return row;
  return MalformedError("row", "expected an object");
}

absl::StatusOr<PreferencePair> ReadPair(std::string_view text) {
  ASSIGN_OR_RETURN(const nlohmann::json row, ParseObject(text));
  PreferencePair pair;
  ASSIGN_OR_RETURN(pair.prompt, StringMember(row, "prompt", "row"));
  ASSIGN_OR_RETURN(pair.chosen, ReadSide(row, "chosen", "chosen_finish"));
  ASSIGN_OR_RETURN(pair.rejected, ReadSide(row, "rejected", "rejected_finish"));
  if (pair.chosen == pair.rejected) {
    return MalformedError("rejected",
                          "expected another text than chosen, which says "
                          "nothing; leave the row out");
  }
  if (pair.prompt.empty() &&
      (pair.chosen.text.empty() || pair.rejected.text.empty())) {
    return MalformedError("prompt", "expected text, since a side has none");
  }
  if (Member(row, "margin").is_null()) return pair;
  ASSIGN_OR_RETURN(pair.margin, ReadNumber(row, "margin"));
  if (pair.margin >= 0) return pair;
  return MalformedError("margin", "expected at least 0; swap the two sides");
}

absl::StatusOr<ScoredSample> ReadSample(std::string_view text) {
  ASSIGN_OR_RETURN(const nlohmann::json row, ParseObject(text));
  ScoredSample sample;
  ASSIGN_OR_RETURN(sample.prompt, RequiredText(row, "prompt"));
  ASSIGN_OR_RETURN(sample.response.text, RequiredText(row, "response"));
  ASSIGN_OR_RETURN(sample.response.stopped, ReadStopped(row, "finish"));
  ASSIGN_OR_RETURN(sample.score, ReadNumber(row, "score"));
  return sample;
}

// Reads every row that is not blank with `read` into `rows`.
template <typename Row>
absl::Status ReadRows(const std::string& path,
                      absl::StatusOr<Row> (*read)(std::string_view),
                      std::vector<Row>& rows) {
  const size_t before = rows.size();
  RETURN_IF_ERROR(ForEachLine(
      path, kMaxLineBytes, [&](int64_t line, std::string_view text) {
        if (text.find_first_not_of(" \t\r") == text.npos)
          return absl::OkStatus();
        absl::StatusOr<Row> row = read(text);
        if (!row.ok())
          return BadRow(path, line, std::string(row.status().message()));
        if constexpr (requires { row->line; }) row->line = line;
        rows.push_back(*std::move(row));
        return absl::OkStatus();
      }));
  return rows.size() > before ? absl::OkStatus() : BadRow(path, 1, "no rows");
}

// Left out where LoadPreferences takes it for granted.
void AddFinish(const JudgedResponse& side, const char* name,
               nlohmann::ordered_json& row) {
  if (!side.stopped || side.text.empty())
    row[name] = side.stopped ? "stop" : "length";
}

}  // namespace

absl::StatusOr<std::vector<PreferencePair>> LoadPreferences(
    const std::string& path) {
  std::vector<PreferencePair> pairs;
  RETURN_IF_ERROR(ReadRows(path, ReadPair, pairs));
  return pairs;
}

std::vector<int32_t> JudgedTokens(const Tokenizer& tokenizer,
                                  const std::string& prompt,
                                  const JudgedResponse& response,
                                  int32_t eos_id) {
  std::vector<int32_t> tokens = tokenizer.Encode(prompt, /*plain_text=*/true);
  const std::vector<int32_t> rest =
      tokenizer.Encode(response.text, /*plain_text=*/true);
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  if (response.stopped && eos_id >= 0) tokens.push_back(eos_id);
  return tokens;
}

absl::Status ReadScoredSamples(const std::string& path,
                               std::vector<ScoredSample>& samples) {
  return ReadRows(path, ReadSample, samples);
}

std::vector<PreferencePair> MakePairs(const std::vector<ScoredSample>& samples,
                                      double min_gap) {
  std::map<std::string, size_t> group_of;
  std::vector<std::vector<const ScoredSample*>> groups;
  for (const ScoredSample& sample : samples) {
    const auto [found, added] =
        group_of.try_emplace(sample.prompt, groups.size());
    if (added) groups.emplace_back();
    groups[found->second].push_back(&sample);
  }
  std::vector<PreferencePair> pairs;
  for (auto& group : groups) {
    std::ranges::stable_sort(group, std::ranges::greater{},
                             &ScoredSample::score);
    for (size_t i = 0; i < group.size() / 2; ++i) {
      const ScoredSample& best = *group[i];
      const ScoredSample& worst = *group[group.size() - 1 - i];
      const double gap = best.score - worst.score;
      if (gap <= min_gap || best.response == worst.response) continue;
      pairs.push_back({.prompt = best.prompt,
                       .chosen = best.response,
                       .rejected = worst.response,
                       .margin = gap});
    }
  }
  return pairs;
}

std::string ToJsonLine(const PreferencePair& pair) {
  nlohmann::ordered_json row;
  row["prompt"] = pair.prompt;
  row["chosen"] = pair.chosen.text;
  row["rejected"] = pair.rejected.text;
  row["margin"] = pair.margin;
  AddFinish(pair.chosen, "chosen_finish", row);
  AddFinish(pair.rejected, "rejected_finish", row);
  return row.dump() + "\n";
}

}  // namespace operant
