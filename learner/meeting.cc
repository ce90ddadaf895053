#include "learner/meeting.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/monotonic_clock.h"
#include "common/base/status_macros.h"

namespace operant::learner {
namespace {

// How soon a rank that waits learns that two have one number.
constexpr absl::Duration kLook = absl::Seconds(1);
// Between questions to a holder that is not there yet.
constexpr absl::Duration kRetry = absl::Milliseconds(100);
// Errors name at most so many missing ranks.
constexpr size_t kMostNamed = 8;

constexpr char kTwins[] = "twins";

std::string ClaimName(int rank) { return absl::StrCat("claim/", rank); }

// Which process this is, for people and for comparison.
std::string ProcessName() {
  std::array<char, 256> host = {};
  gethostname(host.data(), host.size() - 1);
  absl::BitGen random;
  return absl::StrCat("process ", getpid(), " on ", host.data(), " (",
                      absl::Hex(absl::Uniform<uint32_t>(random)), ")");
}

}  // namespace

Meeting::Meeting(const CollectiveOptions& options)
    : options_(options),
      deadline_(MonotonicNow() + options.rendezvous_timeout),
      claim_(ProcessName()) {}

absl::Status Meeting::Join() {
  if (options_.rank < 0 || options_.rank >= options_.size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "ranks cannot meet: rank=", options_.rank, ", expected 0..",
        options_.size - 1, " of world size ", options_.size));
  }
  if (options_.rendezvous == nullptr)
    return absl::InvalidArgumentError("ranks cannot meet without a rendezvous");
  const auto earlier = FirstAnswer(ClaimName(options_.rank));
  if (earlier.ok()) return ReportTwins(*earlier);
  absl::Status answer = earlier.status();
  if (absl::IsDeadlineExceeded(answer))  // nobody has claimed the number
    answer = Set(ClaimName(options_.rank), claim_);
  if (answer.ok()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("rank ", options_.rank, " of ", options_.size,
                   " cannot meet the others: the rendezvous does not answer: ",
                   answer.message()));
}

absl::StatusOr<std::string> Meeting::FirstAnswer(const std::string& name) {
  while (true) {
    auto answer = AskOnce(name);
    if (!absl::IsUnavailable(answer.status()) || MonotonicNow() >= deadline_)
      return answer;
    absl::SleepFor(kRetry);
  }
}

absl::Status Meeting::Set(const std::string& name, const std::string& value) {
  absl::Status set = options_.rendezvous->Set(Key(name), value);
  error_.Update(set);
  return set;
}

absl::StatusOr<std::string> Meeting::Get(const std::string& name) {
  while (true) {
    const absl::Time look = std::min(deadline_, MonotonicNow() + kLook);
    auto value = options_.rendezvous->Get(Key(name), look);
    absl::Status status = value.status();
    if (absl::IsDeadlineExceeded(status)) {
      const absl::Status claim = CheckClaim();
      if (claim.ok() && MonotonicNow() < deadline_) continue;
      if (!claim.ok()) status = claim;
    }
    error_.Update(status);
    if (!status.ok()) return status;
    return value;
  }
}

bool Meeting::Has(const std::string& name) { return AskOnce(name).ok(); }

absl::Status Meeting::CheckClaim() {
  const auto twins = AskOnce(kTwins);
  if (twins.ok()) return absl::AlreadyExistsError(*twins);
  const auto claim = AskOnce(ClaimName(options_.rank));
  if (claim.ok() && *claim != claim_) return ReportTwins(*claim);
  return absl::OkStatus();
}

absl::Status Meeting::Late() {
  return absl::DeadlineExceededError(absl::StrCat(NotAllMet(), Missing()));
}

absl::Status Meeting::Unmet(const std::string& why) {
  RETURN_IF_ERROR(CheckClaim());
  if (absl::IsDeadlineExceeded(error_)) return Late();
  return absl::UnavailableError(absl::StrCat(
      NotAllMet(), error_.ok() ? why : std::string(error_.message())));
}

std::string Meeting::NotAllMet() const {
  return absl::StrCat("rank ", options_.rank, " of ", options_.size,
                      " met not all others within ",
                      absl::FormatDuration(options_.rendezvous_timeout), ": ");
}

std::string Meeting::Key(const std::string& name) const {
  return absl::StrCat(options_.group, "/", name);
}

absl::StatusOr<std::string> Meeting::AskOnce(const std::string& name) {
  return options_.rendezvous->Get(Key(name), MonotonicNow());
}

absl::Status Meeting::ReportTwins(const std::string& other) {
  const std::string message = absl::StrCat(
      "two ranks have the number ", options_.rank, " of ", options_.size, ": ",
      other, " and ", claim_, "; give each process a rank of its own");
  // Those who wait find it; if they do not, their own deadline tells them.
  Set(kTwins, message).IgnoreError();
  return absl::AlreadyExistsError(message);
}

std::string Meeting::Missing() {
  std::vector<int> missing;
  for (int rank = 0; rank < options_.size; ++rank) {
    const auto claim = AskOnce(ClaimName(rank));
    if (claim.ok()) continue;
    if (!absl::IsDeadlineExceeded(claim.status())) break;
    if (rank == options_.rank) return "the rendezvous does not answer";
    missing.push_back(rank);
  }
  if (missing.empty()) return "all came, and one went away";
  const size_t more = missing.size() - std::min(missing.size(), kMostNamed);
  missing.resize(missing.size() - more);
  std::string names =
      absl::StrCat("rank ", absl::StrJoin(missing, ", "), " did not come");
  if (more > 0) absl::StrAppend(&names, ", nor ", more, " more");
  return names;
}

}  // namespace operant::learner
