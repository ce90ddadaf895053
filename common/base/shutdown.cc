#include "common/base/shutdown.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <limits>

#include "absl/time/clock.h"

namespace operant {
namespace {

std::atomic<StopSignal> g_requested{StopSignal::kNone};
std::atomic<bool> g_signalled{false};
static_assert(std::atomic<StopSignal>::is_always_lock_free);
static_assert(std::atomic<bool>::is_always_lock_free);

// Readable from the first request on, until it is taken back: wakes every
// sleeper.
int WakeFd() {
  static const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd;
}

// Async-signal-safe once WakeFd() has been called.
void Request(StopSignal signal) {
  StopSignal none = StopSignal::kNone;
  g_requested.compare_exchange_strong(none, signal);
  const uint64_t one = 1;
  // It can only fail when the counter is full, which also wakes.
  [[maybe_unused]] const ssize_t put = write(WakeFd(), &one, sizeof(one));
}

void OnSignal(int number) {
  const int saved_errno = errno;
  if (g_signalled.exchange(true)) _exit(128 + number);
  Request(number == SIGINT ? StopSignal::kInterrupt : StopSignal::kTerminate);
  errno = saved_errno;
}

int PollMilliseconds(absl::Duration wait) {
  const int64_t ms =
      absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1)));
  return static_cast<int>(
      std::clamp<int64_t>(ms, 0, std::numeric_limits<int>::max()));
}

}  // namespace

void InstallShutdownHandlers() {
  WakeFd();
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

StopSignal ShutdownRequested() { return g_requested.load(); }

bool SleepUnlessShutdown(absl::Duration duration) {
  const absl::Time deadline = absl::Now() + duration;
  while (ShutdownRequested() == StopSignal::kNone) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return true;
    pollfd wake = {WakeFd(), POLLIN, 0};
    poll(&wake, 1, PollMilliseconds(left));
  }
  return false;
}

void RequestShutdown(StopSignal signal) {
  if (signal != StopSignal::kNone) return Request(signal);
  g_requested.store(StopSignal::kNone);
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(WakeFd(), &count, sizeof(count));
}

ExitCode ExitCodeFor(StopSignal signal) {
  switch (signal) {
    case StopSignal::kInterrupt:
      return ExitCode::kInterrupted;
    case StopSignal::kTerminate:
      return ExitCode::kResumable;
    case StopSignal::kNone:
      break;
  }
  return ExitCode::kDone;
}

}  // namespace operant
