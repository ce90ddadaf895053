#include "reward/ratings_scorer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/text/json_reader.h"

namespace operant::reward {
namespace {

constexpr uint64_t kMaxLineBytes = 16 << 20;

absl::Status BadRow(const std::string& path, int64_t line,
                    const std::string& what) {
  return absl::DataLossError(
      absl::StrCat("bad rating: ", path, ":", line, ": ", what));
}

// The length keeps ("ab", "c") and ("a", "bc") apart.
std::string Key(absl::string_view prompt, absl::string_view response) {
  prompt = absl::StripAsciiWhitespace(prompt);
  return Xxh3(absl::StrCat(prompt.size(), ":", prompt,
                           absl::StripAsciiWhitespace(response)));
}

absl::StatusOr<std::string> TextMember(const nlohmann::json& row,
                                       const char* name) {
  const nlohmann::json& value = Member(row, name);
  if (value.is_string()) return value.get<std::string>();
  return absl::DataLossError(
      absl::StrCat(name, ": expected text, got ", value.type_name()));
}

}  // namespace

absl::Status RatingsScorer::AddRow(const std::string& path, int64_t line,
                                   std::string_view text, Ratings& ratings) {
  if (text.find_first_not_of(" \t\r") == text.npos) return absl::OkStatus();
  const absl::StatusOr<nlohmann::json> row = ParseJson(text);
  if (!row.ok()) return BadRow(path, line, std::string(row.status().message()));
  if (!row->is_object()) {
    return BadRow(path, line, "expected {prompt, response, rating}");
  }
  const auto prompt = TextMember(*row, "prompt");
  const auto response = TextMember(*row, "response");
  for (const auto* member : {&prompt, &response}) {
    if (member->ok()) continue;
    return BadRow(path, line, std::string(member->status().message()));
  }
  const nlohmann::json& rating = Member(*row, "rating");
  if (!rating.is_number() || !std::isfinite(rating.get<double>())) {
    return BadRow(path, line,
                  absl::StrCat("rating: expected a finite number, got ",
                               rating.type_name()));
  }
  const auto [place, added] = ratings.try_emplace(
      Key(*prompt, *response), Rating{rating.get<double>(), line});
  if (added) return absl::OkStatus();
  return BadRow(path, line,
                absl::StrCat("prompt, response: rated already in line ",
                             place->second.line,
                             ", expected each pair once; average or drop the "
                             "duplicates"));
}

absl::StatusOr<std::unique_ptr<Scorer>> RatingsScorer::Create(
    const std::string& path) {
  if (path.empty()) {
    return absl::InvalidArgumentError(
        "ratings scorer has no file: reward.ratings='', expected JSONL rows "
        "{prompt, response, rating}; set reward.ratings");
  }
  Ratings ratings;
  RETURN_IF_ERROR(ForEachLine(path, kMaxLineBytes,
                              [&](int64_t line, std::string_view text) {
                                return AddRow(path, line, text, ratings);
                              }));
  if (ratings.empty()) {
    return BadRow(path, 1, "no rows, expected {prompt, response, rating}");
  }
  return std::unique_ptr<Scorer>(new RatingsScorer(std::move(ratings)));
}

RatingsScorer::RatingsScorer(Ratings ratings)
    : ratings_(std::move(ratings)),
      lowest_(std::numeric_limits<double>::infinity()),
      highest_(-std::numeric_limits<double>::infinity()) {
  for (const auto& rating : ratings_) {
    lowest_ = std::min(lowest_, rating.second.value);
    highest_ = std::max(highest_, rating.second.value);
  }
}

v1::GetInfoResponse RatingsScorer::Describe() const {
  v1::GetInfoResponse info = TextRuleInfo("ratings", {});
  info.set_score_min(lowest_);
  info.set_score_max(highest_);
  return info;
}

absl::Status RatingsScorer::ScoreItem(const v1::ScoreItem& item,
                                      v1::ScoreResult& result) const {
  const auto rating = ratings_.find(Key(item.prompt(), item.response()));
  if (rating == ratings_.end()) {
    return absl::NotFoundError(absl::StrCat(
        "nobody rated this response: row='", item.group_id(),
        "' response: expected one of the ", ratings_.size(),
        " pairs in reward.ratings; rate it, or set reward.on_error"));
  }
  result.set_score(rating->second.value);
  return absl::OkStatus();
}

}  // namespace operant::reward
