// Rank 0's end of the group of ranks: takes them in, tells them what to do,
// notices within a second when one is gone, and names it to the others
// (rank_roster.h decides; this listens, speaks and keeps time).
#ifndef OPERANT_LEARNER_RANK_HUB_H_
#define OPERANT_LEARNER_RANK_HUB_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "learner/rank_roster.h"
#include "learner/rendezvous.h"
#include "operant/v1/ranks.pb.h"

namespace operant::learner {

// Thread-safe. It is also the store that the ranks' collective meets over.
class RankHub : public Rendezvous {
 public:
  struct Options {
    RankIdentity self;
    RankRoster::Limits limits;
    // The group is over: its verdict. Called once, from a thread of the hub.
    std::function<void(const absl::Status& verdict)> on_verdict;
    // A rank was told to end (SIGTERM to its pod): save, and end the run.
    std::function<void(int rank)> on_leaving;
  };

  static std::unique_ptr<RankHub> Create(const Options& options);

  // To be given to an RpcServer that dies before this object.
  virtual grpc::Service* service() = 0;

  // A name that no earlier group of the run had.
  virtual std::string group() const = 0;

  // Until every rank has joined. Errors: DeadlineExceeded (names those that
  // are missing), Aborted (the verdict).
  virtual absl::Status AwaitAll(absl::Duration wait) = 0;

  // To every rank, in this order.
  virtual void Send(const v1::RankOrder& order) = 0;

  // Why the group ends, now that rank 0 itself met `error`: that, or, where it
  // is about others (Aborted, DeadlineExceeded), the verdict.
  virtual absl::Status Explain(const absl::Status& error) = 0;
  // OK while the group lives.
  virtual absl::Status verdict() const = 0;

  // The run is over: every rank is told, and its end means nothing anymore.
  virtual void Finish() = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RANK_HUB_H_
