// Who belongs to the group of ranks, and why it ends: the pure half of
// rank_hub.h. No threads, sockets or clocks.
//
//   gathering --all joined--> whole --a rank is lost, silent or fails--> over
//
// The group ends by one verdict, which names the rank that caused it. A rank
// that is killed or paused makes its neighbours fail, too, and whose news comes
// first is chance: what a rank says of others (Aborted, DeadlineExceeded) is
// held back until the culprit had time to show itself.
#ifndef OPERANT_LEARNER_RANK_ROSTER_H_
#define OPERANT_LEARNER_RANK_ROSTER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace operant::learner {

// What a rank is, and what all ranks must have in common (the last group).
struct RankIdentity {
  int rank = 0;
  std::string host;
  int64_t process_id = 0;

  int world_size = 1;
  std::string run_id;
  std::string build;
  std::string model_digest;
  std::string config_yaml;  // RankConfigYaml
};

// "rank 3 (host, process 17)".
std::string NameOf(const RankIdentity& identity);

// Not thread-safe. Times are those of one clock that does not jump.
class RankRoster {
 public:
  struct Limits {
    absl::Duration silence = absl::Seconds(30);  // then a rank is gone
    absl::Duration report_interval = absl::Milliseconds(250);
    // How long news about others waits for better news.
    absl::Duration doubt = absl::Milliseconds(500);
  };

  // `self` is rank 0's.
  RankRoster(RankIdentity self, const Limits& limits);

  // Errors: those of RankService.Join.
  absl::Status Join(const RankIdentity& rank, absl::Time now);
  // Errors: NotFound, Aborted (the verdict).
  absl::Status Heard(int rank, const std::string& doing, absl::Time now);

  // Its process is gone.
  void Lost(int rank, absl::Time now);
  // It, rank 0 included, cannot go on.
  void Failed(int rank, const absl::Status& error, absl::Time now);
  // Looks at the time.
  void Tick(absl::Time now);
  // The group ends because the run does.
  void Finish() { finished_ = true; }

  // Ranks that have not joined yet.
  std::vector<int> missing() const;
  // OK while the group lives, and after Finish. Aborted with exit code 75:
  // "stopped because rank 3 (host, process 17) ...".
  const absl::Status& verdict() const { return verdict_; }

 private:
  struct Member {
    RankIdentity identity;
    std::string doing;
    absl::Time heard;
    bool complained = false;  // about others
  };
  struct Suspicion {
    int rank = 0;  // that spoke
    absl::Status error;
    absl::Time decide_at;
  };

  absl::Status CheckSame(const RankIdentity& rank) const;
  void Decide(int rank, const std::string& what);
  // Who has been silent the longest, if anybody was silent too long.
  std::optional<int> SilentFor(absl::Duration limit, absl::Time now) const;

  const Limits limits_;
  std::map<int, Member> members_;
  std::optional<Suspicion> suspicion_;
  absl::Status verdict_;
  bool finished_ = false;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RANK_ROSTER_H_
