#include "common/reward_client/server_info.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/reward_contract.h"

namespace operant {
namespace {

// For servers that state no limit: enough to hide the way there and back.
constexpr uint32_t kDefaultCalls = 4;
constexpr int kMaxComponentNames = 64;
constexpr size_t kMaxNameBytes = 64;
constexpr size_t kMaxPrintedBytes = 200;

bool IsLabel(const std::string& name) {
  const auto fine = [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), fine);
}

absl::Status CheckNeeds(const v1::GetInfoResponse& info) {
  for (int need : info.needs()) {
    if (need != v1::GetInfoResponse::NEED_UNSPECIFIED &&
        v1::GetInfoResponse::Need_IsValid(need)) {
      continue;
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "server needs what this client cannot send: needs=", need,
        ", expected values of reward.proto; update this client, or drop the "
        "need"));
  }
  return absl::OkStatus();
}

absl::Status CheckComponentNames(const v1::GetInfoResponse& info) {
  if (info.component_names_size() > kMaxComponentNames) {
    return absl::FailedPreconditionError(
        absl::StrCat("server declares too many components: component_names=",
                     info.component_names_size(), ", expected at most ",
                     kMaxComponentNames));
  }
  for (const std::string& name : info.component_names()) {
    if (IsLabel(name)) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "component cannot be a metric: component_names='", Printable(name),
        "', expected 1 to ", kMaxNameBytes, " of [A-Za-z0-9_.-]"));
  }
  return absl::OkStatus();
}

}  // namespace

bool HasNeed(const v1::GetInfoResponse& info, v1::GetInfoResponse::Need need) {
  return std::find(info.needs().begin(), info.needs().end(), need) !=
         info.needs().end();
}

int CallsAtOnce(const v1::GetInfoResponse& info, int most) {
  const uint32_t stated = info.max_inflight_batches();
  const uint32_t calls = stated == 0 ? kDefaultCalls : stated;
  return static_cast<int>(std::min<uint32_t>(calls, most));
}

absl::Status CheckComponentWeights(
    const v1::GetInfoResponse& info,
    const std::vector<v1::ComponentWeight>& weights) {
  const auto& names = info.component_names();
  for (const v1::ComponentWeight& weight : weights) {
    if (std::find(names.begin(), names.end(), weight.component()) !=
        names.end()) {
      continue;
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "server has no such component: reward.endpoints.component_weights.",
        "component='", weight.component(), "', expected one of '",
        absl::StrJoin(names, "', '"), "'"));
  }
  return absl::OkStatus();
}

absl::Status CheckInfo(const v1::GetInfoResponse& info) {
  if (info.api_level() < kRewardApiLevel) {
    return absl::FailedPreconditionError(absl::StrCat(
        "server speaks another level of the contract: api_level=",
        info.api_level(), ", expected at least ", kRewardApiLevel,
        "; set it in GetInfo's answer, update the server, or correct "
        "reward.endpoints"));
  }
  if (info.has_score_range() && !(info.score_min() <= info.score_max())) {
    return absl::FailedPreconditionError(
        absl::StrCat("server declares an impossible score range: score_min=",
                     info.score_min(), " score_max=", info.score_max(),
                     ", expected score_min <= score_max"));
  }
  absl::Status status = CheckNeeds(info);
  status.Update(CheckComponentNames(info));
  return status;
}

std::string Printable(const std::string& text) {
  // Escaping never shortens: one byte more than is shown tells of a cut.
  const std::string escaped =
      absl::CHexEscape(text.substr(0, kMaxPrintedBytes + 1));
  return escaped.size() <= kMaxPrintedBytes
             ? escaped
             : escaped.substr(0, kMaxPrintedBytes) + "...";
}

}  // namespace operant
