#include "learner/rank_roster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/exit_code.h"
#include "common/base/status_macros.h"

namespace operant::learner {
namespace {

absl::Status Differs(const RankIdentity& rank, const char* field,
                     const std::string& theirs, const std::string& ours) {
  return absl::FailedPreconditionError(absl::StrCat(
      NameOf(rank), " refused: ", field, "=", theirs, ", rank 0 has ", ours,
      "; start all ranks from one build, model and configuration"));
}

// The first line that two texts do not share.
std::pair<std::string, std::string> FirstDifference(const std::string& a,
                                                    const std::string& b) {
  const std::vector<std::string> left = absl::StrSplit(a, '\n');
  const std::vector<std::string> right = absl::StrSplit(b, '\n');
  const auto [l, r] = std::ranges::mismatch(left, right);
  return {l == left.end() ? "(nothing)" : *l,
          r == right.end() ? "(nothing)" : *r};
}

// Whether it is of itself that a rank speaks.
bool IsOwnFault(const absl::Status& error) {
  return !absl::IsAborted(error) && !absl::IsDeadlineExceeded(error);
}

}  // namespace

std::string NameOf(const RankIdentity& identity) {
  return absl::StrCat("rank ", identity.rank, " (", identity.host, ", process ",
                      identity.process_id, ")");
}

RankRoster::RankRoster(RankIdentity self, const Limits& limits)
    : limits_(limits) {
  members_[0] = {.identity = std::move(self), .heard = absl::InfiniteFuture()};
}

absl::Status RankRoster::CheckSame(const RankIdentity& rank) const {
  const RankIdentity& self = members_.at(0).identity;
  if (rank.world_size != self.world_size) {
    return Differs(rank, "world size", absl::StrCat(rank.world_size),
                   absl::StrCat(self.world_size));
  }
  if (rank.run_id != self.run_id)
    return Differs(rank, "run", rank.run_id, self.run_id);
  if (rank.build != self.build)
    return Differs(rank, "build", rank.build, self.build);
  if (rank.model_digest != self.model_digest) {
    return Differs(rank, "model digest", rank.model_digest, self.model_digest);
  }
  if (rank.config_yaml == self.config_yaml) return absl::OkStatus();
  const auto [theirs, ours] =
      FirstDifference(rank.config_yaml, self.config_yaml);
  return Differs(rank, "configuration", theirs, ours);
}

absl::Status RankRoster::Join(const RankIdentity& rank, absl::Time now) {
  RETURN_IF_ERROR(verdict_);
  RETURN_IF_ERROR(CheckSame(rank));
  const int ranks = members_.at(0).identity.world_size;
  if (rank.rank < 1 || rank.rank >= ranks) {
    return absl::InvalidArgumentError(absl::StrCat(
        NameOf(rank), " refused: expected a rank of 1..", ranks - 1));
  }
  const auto found = members_.find(rank.rank);
  if (found != members_.end()) {
    return absl::AlreadyExistsError(absl::StrCat(
        NameOf(rank), " refused: ", NameOf(found->second.identity),
        " has that number; give each process a --rank of its own"));
  }
  members_[rank.rank] = {.identity = rank, .doing = "joining", .heard = now};
  return absl::OkStatus();
}

absl::Status RankRoster::Heard(int rank, const std::string& doing,
                               absl::Time now) {
  const auto found = members_.find(rank);
  if (found == members_.end()) {
    return absl::NotFoundError(
        absl::StrCat("rank ", rank, " has not joined; join first"));
  }
  found->second.heard = now;
  found->second.doing = doing;
  return verdict_;
}

void RankRoster::Decide(int rank, const std::string& what) {
  if (finished_ || !verdict_.ok()) return;
  const auto found = members_.find(rank);
  if (found == members_.end()) return;
  const std::string& doing = found->second.doing;
  verdict_ = WithExitCode(
      absl::AbortedError(absl::StrCat(
          "stopped because ", NameOf(found->second.identity), " ", what,
          doing.empty() ? "" : absl::StrCat(" (", doing, ")"))),
      ExitCode::kResumable);
}

void RankRoster::Lost(int rank, absl::Time now) {
  Tick(now);
  Decide(rank, "is gone");
}

void RankRoster::Failed(int rank, const absl::Status& error, absl::Time now) {
  if (IsOwnFault(error)) {
    Decide(rank, absl::StrCat("failed: ", error.message()));
    return;
  }
  const auto found = members_.find(rank);
  if (found != members_.end()) found->second.complained = true;
  if (!suspicion_.has_value()) suspicion_ = {rank, error, now + limits_.doubt};
}

std::optional<int> RankRoster::SilentFor(absl::Duration limit,
                                         absl::Time now) const {
  const auto longest = std::ranges::min_element(
      members_, {}, [](const auto& member) { return member.second.heard; });
  if (now - longest->second.heard <= limit) return std::nullopt;
  return longest->first;
}

void RankRoster::Tick(absl::Time now) {
  if (finished_ || !verdict_.ok()) return;
  if (const auto silent = SilentFor(limits_.silence, now)) {
    Decide(*silent, absl::StrCat("said nothing for ",
                                 absl::FormatDuration(limits_.silence)));
    return;
  }
  if (!suspicion_.has_value() || now < suspicion_->decide_at) return;
  // Whoever is paused reports nothing, while those that wait for it do.
  const std::string what =
      absl::StrCat("was waited for in vain: ", suspicion_->error.message());
  if (const auto silent = SilentFor(2 * limits_.report_interval, now)) {
    Decide(*silent, what);
    return;
  }
  for (const auto& [rank, member] : members_) {
    if (!member.complained) return Decide(rank, what);
  }
  Decide(suspicion_->rank,
         absl::StrCat("waited in vain: ", suspicion_->error.message()));
}

std::vector<int> RankRoster::missing() const {
  std::vector<int> missing;
  for (int rank = 0; rank < members_.at(0).identity.world_size; ++rank) {
    if (!members_.contains(rank)) missing.push_back(rank);
  }
  return missing;
}

}  // namespace operant::learner
