#include "learner/nccl_communicator.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/monotonic_clock.h"
#include "common/base/status_macros.h"
#include "learner/meeting.h"

namespace operant::learner {
namespace {

constexpr char kIdName[] = "nccl-id";
// Between two looks at the device: short for short exchanges, and no burden
// during long ones.
constexpr absl::Duration kShortestSleep = absl::Microseconds(10);
constexpr absl::Duration kLongestSleep = absl::Microseconds(500);
// How often a rank that waits asks whether another has its number.
constexpr absl::Duration kLook = absl::Seconds(1);

// Rank 0's, for all.
absl::StatusOr<ncclUniqueId> ExchangeId(const CollectiveOptions& options,
                                        Meeting& meeting) {
  ncclUniqueId id = {};
  if (options.rank == 0) {
    const ncclResult_t result = ncclGetUniqueId(&id);
    if (result != ncclSuccess) {
      return absl::FailedPreconditionError(
          NcclText("NCCL cannot listen for its peers", result, nullptr));
    }
    const std::string bytes(id.internal, sizeof(id.internal));
    if (!meeting.Set(kIdName, bytes).ok()) return meeting.Unmet("");
    return id;
  }
  const absl::StatusOr<std::string> bytes = meeting.Get(kIdName);
  if (!bytes.ok()) return meeting.Unmet("");
  if (bytes->size() != sizeof(id.internal)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "rank 0's NCCL id has ", bytes->size(), " bytes, expected ",
        sizeof(id.internal), ": another version of NCCL?"));
  }
  std::memcpy(id.internal, bytes->data(), bytes->size());
  return id;
}

// Whether it is worth waiting on for the others.
class MeetingWatch {
 public:
  explicit MeetingWatch(Meeting& meeting) : meeting_(meeting) {}

  absl::Status Look() {
    const absl::Time now = MonotonicNow();
    if (now >= meeting_.deadline()) return meeting_.Late();
    if (now < next_) return absl::OkStatus();
    next_ = now + kLook;
    return meeting_.CheckClaim();
  }

 private:
  Meeting& meeting_;
  absl::Time next_ = MonotonicNow() + kLook;
};

}  // namespace

std::string NcclText(const std::string& why, ncclResult_t result,
                     ncclComm_t comm) {
  const char* detail = ncclGetLastError(comm);
  std::string text = absl::StrCat(why, ": ", ncclGetErrorString(result));
  if (detail != nullptr && *detail != '\0')
    absl::StrAppend(&text, ": ", detail);
  return text;
}

absl::Status Poll(absl::FunctionRef<absl::StatusOr<bool>()> is_done) {
  absl::Duration sleep = kShortestSleep;
  while (true) {
    ASSIGN_OR_RETURN(const bool done, is_done());
    if (done) return absl::OkStatus();
    absl::SleepFor(sleep);
    sleep = std::min(2 * sleep, kLongestSleep);
  }
}

absl::StatusOr<std::unique_ptr<NcclCommunicator>> NcclCommunicator::Create(
    const CollectiveOptions& options) {
  // Not make_unique: the constructor is private.
  std::unique_ptr<NcclCommunicator> made(new NcclCommunicator(options.timeout));
  const absl::Status started = made->Start(options);
  if (started.ok()) return made;
  made->Abort();
  return started;
}

absl::Status NcclCommunicator::Start(const CollectiveOptions& options) {
  Meeting meeting(options);
  RETURN_IF_ERROR(meeting.Join());
  ASSIGN_OR_RETURN(const ncclUniqueId id, ExchangeId(options, meeting));
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  const ncclResult_t result =
      ncclCommInitRankConfig(&comm_, options.size, id, options.rank, &config);
  if (result != ncclSuccess && result != ncclInProgress)
    return meeting.Unmet(NcclText("NCCL cannot start", result, comm_));
  MeetingWatch watch(meeting);
  absl::Status met = Poll([&]() -> absl::StatusOr<bool> {
    RETURN_IF_ERROR(watch.Look());
    return IsSettled();
  });
  if (absl::IsAborted(met)) return meeting.Unmet(std::string(met.message()));
  RETURN_IF_ERROR(met);
  return meeting.CheckClaim();
}

NcclCommunicator::~NcclCommunicator() {
  if (comm_ == nullptr) return;
  const absl::Time deadline = MonotonicNow() + timeout_;
  const absl::Status flushed = Launch(ncclCommFinalize, [&] {
    return MonotonicNow() < deadline ? absl::OkStatus()
                                     : absl::DeadlineExceededError("flushing");
  });
  if (flushed.ok()) {
    ncclCommDestroy(comm_);  // local, once flushed
  } else {
    Abort();
  }
}

absl::Status NcclCommunicator::Launch(
    absl::FunctionRef<ncclResult_t(ncclComm_t)> launch,
    absl::FunctionRef<absl::Status()> look) {
  if (comm_ == nullptr) return absl::AbortedError("the communicator is gone");
  const ncclResult_t result = launch(comm_);
  if (result == ncclSuccess) return absl::OkStatus();
  if (result != ncclInProgress)
    return absl::AbortedError(NcclText("NCCL", result, comm_));
  return Poll([&]() -> absl::StatusOr<bool> {
    RETURN_IF_ERROR(look());
    return IsSettled();
  });
}

absl::Status NcclCommunicator::AsyncError() const {
  return IsSettled().status();
}

// Whether NCCL has done what it was asked for last.
absl::StatusOr<bool> NcclCommunicator::IsSettled() const {
  if (comm_ == nullptr) return absl::AbortedError("the communicator is gone");
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
  if (asked != ncclSuccess) state = asked;
  if (state == ncclSuccess) return true;
  if (state == ncclInProgress) return false;
  return absl::AbortedError(NcclText("NCCL", state, comm_));
}

void NcclCommunicator::Abort() {
  if (comm_ == nullptr) return;
  ncclCommAbort(comm_);  // whatever it says, there is nothing left to do
  comm_ = nullptr;
}

}  // namespace operant::learner
