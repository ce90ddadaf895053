#include "learner/gloo_link.h"

#include <signal.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/monotonic_clock.h"
#include "common/base/status_macros.h"
#include "common/nn/torch_status.h"
#include "learner/meeting.h"
#include "torch/csrc/distributed/c10d/ProcessGroupGloo.hpp"

namespace operant::learner {
namespace {

// All exchanges of a group use the same slot: they are in the same order on
// every rank.
constexpr int kTag = 0;

std::chrono::milliseconds Milliseconds(absl::Duration duration) {
  // Never early: whether a wait ended by its deadline is asked of the clock. 0
  // would mean the library's own default.
  return std::chrono::milliseconds(std::max<int64_t>(
      1,
      absl::ToInt64Milliseconds(absl::Ceil(duration, absl::Milliseconds(1)))));
}

// A meeting as the library wants it. It throws where that returns a Status.
class MeetingStore final : public c10d::Store {
 public:
  explicit MeetingStore(Meeting* meeting) : meeting_(meeting) {}

  using c10d::Store::set;
  void set(const std::string& key, const std::vector<uint8_t>& value) override {
    Throw(meeting_->Set(key, {value.begin(), value.end()}));
  }
  std::vector<uint8_t> get(const std::string& key) override {
    const auto value = meeting_->Get(key);
    Throw(value.status());
    return {value->begin(), value->end()};
  }
  bool check(const std::vector<std::string>& keys) override {
    return std::ranges::all_of(
        keys, [this](const std::string& key) { return meeting_->Has(key); });
  }
  void wait(const std::vector<std::string>& keys) override {
    for (const std::string& key : keys) get(key);
  }
  void wait(const std::vector<std::string>& keys,
            const std::chrono::milliseconds&) override {
    wait(keys);  // one deadline holds for the whole meeting
  }
  c10::intrusive_ptr<c10d::Store> clone() override {
    return c10::make_intrusive<MeetingStore>(meeting_);
  }
  int64_t add(const std::string&, int64_t) override { return Refuse("add"); }
  bool deleteKey(const std::string&) override { return Refuse("deleteKey"); }
  int64_t getNumKeys() override { return Refuse("getNumKeys"); }

 private:
  static void Throw(const absl::Status& status) {
    if (status.ok()) return;
    C10_THROW_ERROR(DistStoreError, std::string(status.message()));
  }
  static int64_t Refuse(const char* call) {
    C10_THROW_ERROR(NotImplementedError,
                    absl::StrCat("the rendezvous has no ", call));
  }

  Meeting* const meeting_;
};

// Contiguous bytes that somebody else keeps.
at::Tensor BytesAt(void* data, int64_t bytes) {
  return at::from_blob(data, {bytes}, at::kByte);
}

class GlooLinkImpl final : public GlooLink {
 public:
  explicit GlooLinkImpl(c10::intrusive_ptr<c10d::ProcessGroupGloo> group)
      : group_(std::move(group)) {}

  absl::Status Swap(const Side& send, const Side& receive,
                    absl::Time deadline) override;
  void Close() override;
  void Interrupt() override;

 private:
  // What is in flight, for Interrupt to find.
  struct InFlight {
    c10::intrusive_ptr<c10d::Work> receive, send;
  };
  absl::Status Post(const Side& send, const Side& receive, InFlight& works);
  static absl::Status Await(c10d::Work* work, int peer, const char* direction,
                            absl::Time deadline);

  absl::Mutex mu_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_ ABSL_GUARDED_BY(mu_);
  bool interrupted_ ABSL_GUARDED_BY(mu_) = false;
  InFlight in_flight_ ABSL_GUARDED_BY(mu_);
};

absl::Status GlooLinkImpl::Post(const Side& send, const Side& receive,
                                InFlight& works) {
  absl::MutexLock lock(&mu_);
  if (interrupted_) return absl::AbortedError("interrupted");
  int peer = receive.peer;
  try {
    if (receive.bytes > 0) {
      std::vector<at::Tensor> tensors = {BytesAt(receive.data, receive.bytes)};
      works.receive = group_->recv(tensors, receive.peer, kTag);
    }
    peer = send.peer;
    if (send.bytes > 0) {
      std::vector<at::Tensor> tensors = {BytesAt(send.data, send.bytes)};
      works.send = group_->send(tensors, send.peer, kTag);
    }
  } catch (const std::runtime_error&) {  // the transport's, not LibTorch's
    return absl::AbortedError(
        absl::StrCat("rank ", peer, ": the connection is closed"));
  }
  in_flight_ = works;
  return absl::OkStatus();
}

absl::Status GlooLinkImpl::Await(c10d::Work* work, int peer,
                                 const char* direction, absl::Time deadline) {
  if (work == nullptr) return absl::OkStatus();
  const auto failed = [&](const std::string& why) {
    return absl::StrCat(direction, " rank ", peer, ": ", why);
  };
  try {
    if (work->wait(Milliseconds(deadline - MonotonicNow())))
      return absl::OkStatus();
  } catch (const std::exception&) {
    // What the library says of it is of its own source lines.
    if (MonotonicNow() >= deadline) {
      return absl::DeadlineExceededError(failed("silent until the deadline"));
    }
    return absl::AbortedError(failed("the connection is closed"));
  }
  return absl::AbortedError(failed("interrupted"));
}

absl::Status GlooLinkImpl::Swap(const Side& send, const Side& receive,
                                absl::Time deadline) {
  InFlight works;
  absl::Status status = CatchTorch("exchange", [&] {
    RETURN_IF_ERROR(Post(send, receive, works));
    absl::Status received =
        Await(works.receive.get(), receive.peer, "receiving from", deadline);
    if (!received.ok()) return received;
    return Await(works.send.get(), send.peer, "sending to", deadline);
  });
  absl::MutexLock lock(&mu_);
  in_flight_ = {};
  return status;
}

void GlooLinkImpl::Close() {
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group;
  absl::MutexLock lock(&mu_);
  interrupted_ = true;
  group.swap(group_);
}

void GlooLinkImpl::Interrupt() {
  absl::MutexLock lock(&mu_);
  interrupted_ = true;
  if (in_flight_.receive != nullptr) in_flight_.receive->abort();
  if (in_flight_.send != nullptr) in_flight_.send->abort();
}

// The library's exceptions become why.
std::unique_ptr<GlooLink> Dial(const CollectiveOptions& options,
                               Meeting& meeting, std::string& why) {
  try {
    auto settings = c10d::ProcessGroupGloo::Options::create(
        Milliseconds(options.rendezvous_timeout));
    settings->threads = 1;
    settings->devices = {
        c10d::ProcessGroupGloo::createDeviceForHostname(options.host)};
    return std::make_unique<GlooLinkImpl>(
        c10::make_intrusive<c10d::ProcessGroupGloo>(
            c10::make_intrusive<MeetingStore>(&meeting), options.rank,
            options.size, settings));
  } catch (const c10::Error& error) {
    why = error.what_without_backtrace();
  } catch (const std::exception& error) {
    why = error.what();
  }
  return nullptr;
}

// The library writes to connections whose peer may be gone: an error to be
// told, not a signal to die of. Whoever handles the signal already is left
// alone.
void IgnoreBrokenPipes() {
  struct sigaction current = {};
  if (sigaction(SIGPIPE, nullptr, &current) != 0 ||
      current.sa_handler != SIG_DFL) {
    return;
  }
  signal(SIGPIPE, SIG_IGN);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GlooLink>> GlooLink::Connect(
    const CollectiveOptions& options) {
  IgnoreBrokenPipes();
  Meeting meeting(options);
  RETURN_IF_ERROR(meeting.Join());
  std::string why;
  std::unique_ptr<GlooLink> link = Dial(options, meeting, why);
  if (link == nullptr) return meeting.Unmet(why);
  RETURN_IF_ERROR(meeting.CheckClaim());
  return link;
}

}  // namespace operant::learner
