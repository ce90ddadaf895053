// Bearer tokens in a file: the second factor beside a certificate.
#ifndef OPERANT_COMMON_BASE_TOKEN_FILE_H_
#define OPERANT_COMMON_BASE_TOKEN_FILE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace operant {

// One token a line, of at least 16 printable characters; blank lines and lines
// that start with '#' do not count. All are accepted and the first is sent, so
// that tokens rotate without a pause: add the new one below on every machine,
// then move it up, then take the old one out. Thread-safe.
class TokenFile {
 public:
  // Errors: NotFound, PermissionDenied (open to others: CheckPrivate),
  // InvalidArgument (no token, or one too short or with other characters).
  static absl::StatusOr<std::shared_ptr<TokenFile>> Open(
      const std::string& path, absl::Duration reload);

  // The token to send. Both calls look at the file again when `reload` has
  // passed since they last did; a file that became unusable is reported in the
  // log and changes nothing.
  std::string Current(absl::Time now) ABSL_LOCKS_EXCLUDED(mu_);

  // Whether `token` is one of the file's. How long it takes does not depend on
  // where a wrong token differs.
  bool Accepts(std::string_view token, absl::Time now) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  TokenFile(const std::string& path, absl::Duration reload,
            std::vector<std::string> tokens);
  void Refresh(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string path_;
  const absl::Duration reload_;
  absl::Mutex mu_;
  absl::Time next_look_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  std::vector<std::string> tokens_ ABSL_GUARDED_BY(mu_);  // never empty
};

// A new random token: 256 bits in hexadecimal.
std::string RandomToken();

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_TOKEN_FILE_H_
