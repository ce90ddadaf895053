#include "common/base/health.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace operant {

void Health::SetStarted() {
  absl::MutexLock lock(&mu_);
  started_ = true;
}

void Health::SetReady(bool ready, std::string reason) {
  absl::MutexLock lock(&mu_);
  ready_ = ready;
  ready_reason_ = std::move(reason);
}

void Health::ExpectProgress(absl::Duration limit) {
  absl::MutexLock lock(&mu_);
  limit_ = limit;
  last_progress_ = absl::Now();
}

void Health::Progress() {
  const absl::Time now = absl::Now();
  absl::MutexLock lock(&mu_);
  last_progress_ = now;
}

void Health::Idle() {
  absl::MutexLock lock(&mu_);
  last_progress_ = absl::InfiniteFuture();
}

Health::Verdict Health::startup() const {
  absl::MutexLock lock(&mu_);
  return {started_, started_ ? "started" : "starting"};
}

Health::Verdict Health::live(absl::Time now) const {
  absl::MutexLock lock(&mu_);
  if (limit_ == absl::InfiniteDuration()) return {true, "alive"};
  if (last_progress_ == absl::InfiniteFuture()) return {true, "idle"};
  const absl::Duration silence =
      absl::Trunc(now - last_progress_, absl::Milliseconds(1));
  if (now - last_progress_ <= limit_) return {true, "working"};
  return {false,
          absl::StrCat("no progress for ", absl::FormatDuration(silence),
                       ", expected some every ", absl::FormatDuration(limit_))};
}

Health::Verdict Health::ready() const {
  absl::MutexLock lock(&mu_);
  return {ready_, ready_reason_};
}

}  // namespace operant
