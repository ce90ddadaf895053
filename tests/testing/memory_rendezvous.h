// A rendezvous for ranks that are threads of one process.
#ifndef OPERANT_TESTS_TESTING_MEMORY_RENDEZVOUS_H_
#define OPERANT_TESTS_TESTING_MEMORY_RENDEZVOUS_H_

#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/monotonic_clock.h"
#include "learner/rendezvous.h"

namespace operant::testing_support {

class MemoryRendezvous final : public learner::Rendezvous {
 public:
  absl::Status Set(const std::string& key, const std::string& value) override {
    absl::MutexLock lock(&mu_);
    values_[key] = value;
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Get(const std::string& key,
                                  absl::Time deadline) override {
    absl::MutexLock lock(&mu_);
    const auto is_set = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return values_.contains(key);
    };
    if (mu_.AwaitWithTimeout(absl::Condition(&is_set),
                             deadline - MonotonicNow())) {
      return values_[key];
    }
    return absl::DeadlineExceededError(absl::StrCat("nobody set ", key));
  }

 private:
  absl::Mutex mu_;
  std::map<std::string, std::string> values_ ABSL_GUARDED_BY(mu_);
};

// Nobody is there.
class DeadRendezvous final : public learner::Rendezvous {
 public:
  absl::Status Set(const std::string&, const std::string&) override {
    return absl::UnavailableError("10.0.0.1:9 refused the connection");
  }
  absl::StatusOr<std::string> Get(const std::string&, absl::Time) override {
    return absl::UnavailableError("10.0.0.1:9 refused the connection");
  }
};

}  // namespace operant::testing_support

#endif  // OPERANT_TESTS_TESTING_MEMORY_RENDEZVOUS_H_
