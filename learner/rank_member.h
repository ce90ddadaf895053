// The end of the group of ranks that rank 1 and higher hold: joins rank 0,
// reports to it, and takes its orders.
#ifndef OPERANT_LEARNER_RANK_MEMBER_H_
#define OPERANT_LEARNER_RANK_MEMBER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/credentials.h"
#include "learner/rank_roster.h"
#include "learner/rendezvous.h"
#include "operant/v1/ranks.pb.h"

namespace operant::learner {

// Thread-safe.
class RankMember : public Rendezvous {
 public:
  struct Options {
    RankIdentity self;
    std::string coordinator;                     // host:port of rank 0
    ChannelCredentials to_rank0 = {};            // as MakeChannel takes it
    absl::Duration wait = absl::Seconds(120);    // for rank 0 to be there
    absl::Duration silence = absl::Seconds(30);  // then rank 0 is gone
    // The group is over: why. Called once, from a thread of the member's.
    std::function<void(const absl::Status& verdict)> on_verdict;
  };

  // Errors: DeadlineExceeded (rank 0 was not there in time), those of
  // RankService.Join.
  static absl::StatusOr<std::unique_ptr<RankMember>> Join(
      const Options& options);

  virtual std::string group() const = 0;

  // The next order; a Stop that is no failure is the last. Errors: Aborted
  // (the verdict), with exit code 75; Cancelled: a signal came and rank 0 said
  // nothing of it within `grace`.
  virtual absl::StatusOr<v1::RankOrder> NextOrder(absl::Duration grace) = 0;

  // What the next reports say.
  virtual void Doing(const std::string& what) = 0;

  // Tells rank 0 of `error` and returns why the group ends: `error`, or, where
  // that is about others (Aborted, DeadlineExceeded), the verdict.
  virtual absl::Status Explain(const absl::Status& error) = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RANK_MEMBER_H_
