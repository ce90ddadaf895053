// Which versions of the policy a worker holds, and what may happen to them.
//
//             Stage            Verify             Activate
//   (none) ----------> staging ---------> verified ---------> active
//     ^                   |                  |                   | the next
//     |      Abandon      |     Abandon      |                   | Activate
//     +-------------------+------------------+                   v
//                                                             retired
//
// At most one version is on its way in (staging or verified), at most one is
// active. A version is staged only if it is newer than the active one, and only
// with the digest that the learner published for it, where that is known. A
// retired version is gone from here; sequences that still run on it hold its
// weights.
#ifndef OPERANT_ROLLOUT_POLICY_STORE_H_
#define OPERANT_ROLLOUT_POLICY_STORE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace operant::rollout {

// A version and its identity.
struct PolicyVersion {
  uint64_t version = 0;
  std::string sha256;  // of the weights' manifest, 32 raw bytes

  bool operator==(const PolicyVersion&) const = default;
};

// Pure: no threads, clocks or weights inside. Not thread-safe.
class PolicyStore {
 public:
  // Begins to take `incoming`. FailedPrecondition (not newer than the active
  // version), ResourceExhausted (another version is on its way in), DataLoss
  // (the learner published another digest for it). An error changes nothing.
  absl::Status Stage(const PolicyVersion& incoming);
  // Its bytes are all here and match. FailedPrecondition unless it is staging.
  absl::Status Verify(const PolicyVersion& incoming);
  // It samples from now on; the version before it is retired.
  // FailedPrecondition unless it is verified.
  absl::Status Activate(const PolicyVersion& incoming);
  // Forgets what is staging or verified, if anything.
  void Abandon();

  // What the learner says that it published last.
  void Publish(const PolicyVersion& published) { published_ = published; }
  // The worker joined anew; `published` is what the learner has then. If that
  // is not newer than, nor equal to, the active version, the learner began anew
  // as well (it resumed from a checkpoint): its versions are not ordered
  // against the active one any more, and any other may be staged.
  void Rejoin(const std::optional<PolicyVersion>& published);

  const std::optional<PolicyVersion>& active() const { return active_; }
  const std::optional<PolicyVersion>& incoming() const { return incoming_; }
  const std::optional<PolicyVersion>& published() const { return published_; }
  // Whether the learner published something that should replace the active
  // version.
  bool behind() const;

 private:
  bool IsNewer(const PolicyVersion& version) const;
  absl::Status Expect(const PolicyVersion& version, bool verified,
                      const char* transition) const;

  std::optional<PolicyVersion> active_;
  std::optional<PolicyVersion> incoming_;
  std::optional<PolicyVersion> published_;
  bool verified_ = false;  // of incoming_
  bool rebased_ = false;   // until the next Activate
};

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_POLICY_STORE_H_
