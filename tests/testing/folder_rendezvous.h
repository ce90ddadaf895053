// A rendezvous in a folder that all ranks of a test see: a file per key.
#ifndef OPERANT_TESTS_TESTING_FOLDER_RENDEZVOUS_H_
#define OPERANT_TESTS_TESTING_FOLDER_RENDEZVOUS_H_

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/monotonic_clock.h"
#include "learner/rendezvous.h"

namespace operant::testing_support {

class FolderRendezvous final : public learner::Rendezvous {
 public:
  explicit FolderRendezvous(std::string folder) : folder_(std::move(folder)) {}

  absl::Status Set(const std::string& key, const std::string& value) override {
    return WriteFileAtomically(PathOf(key), value);
  }
  absl::StatusOr<std::string> Get(const std::string& key,
                                  absl::Time deadline) override {
    while (!FileExists(PathOf(key))) {
      if (MonotonicNow() >= deadline) {
        return absl::DeadlineExceededError(
            absl::StrCat("nobody set ", Readable(key)));
      }
      absl::SleepFor(absl::Milliseconds(2));
    }
    return ReadFile(PathOf(key));
  }

 private:
  static std::string Readable(const std::string& key) {
    return key.substr(0, key.find('/'));
  }
  std::string PathOf(const std::string& key) const {
    return JoinPath(folder_, absl::StrCat("key-", Hex(Sha256(key))));
  }

  const std::string folder_;
};

}  // namespace operant::testing_support

#endif  // OPERANT_TESTS_TESTING_FOLDER_RENDEZVOUS_H_
