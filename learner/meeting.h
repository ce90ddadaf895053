// How the ranks of a group meet through a rendezvous, before they have
// connections: each claims its number, and whoever waits for another learns
// why nobody comes.
#ifndef OPERANT_LEARNER_MEETING_H_
#define OPERANT_LEARNER_MEETING_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "learner/collective.h"

namespace operant::learner {

// Not thread-safe. `options` outlives it.
class Meeting {
 public:
  explicit Meeting(const CollectiveOptions& options);

  // Before everything else. Errors: InvalidArgument (rank, size, no
  // rendezvous), AlreadyExists (another process claimed this number; all ranks
  // that wait are told), Unavailable (the rendezvous does not answer until
  // deadline()).
  absl::Status Join();

  // A value under a name of this group.
  absl::Status Set(const std::string& name, const std::string& value);
  // Waits until deadline(). Errors: DeadlineExceeded, Unavailable, and
  // AlreadyExists as soon as two ranks have one number.
  absl::StatusOr<std::string> Get(const std::string& name);
  // Whether it is there already.
  bool Has(const std::string& name);

  absl::Time deadline() const { return deadline_; }

  // OK unless two ranks have one number.
  absl::Status CheckClaim();
  // The error of a meeting whose deadline has passed; names who did not come.
  absl::Status Late();
  // The error of a meeting that failed: the first one that a call here
  // returned, else `why`.
  absl::Status Unmet(const std::string& why);

 private:
  std::string NotAllMet() const;
  std::string Key(const std::string& name) const;
  absl::StatusOr<std::string> FirstAnswer(const std::string& name);
  absl::StatusOr<std::string> AskOnce(const std::string& name);
  absl::Status ReportTwins(const std::string& other);
  std::string Missing();

  const CollectiveOptions& options_;
  const absl::Time deadline_;
  const std::string claim_;  // unlike any other process's
  absl::Status error_;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_MEETING_H_
