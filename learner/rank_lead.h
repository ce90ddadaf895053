// Rank 0's part in the group of ranks, for a learner that may also be alone.
#ifndef OPERANT_LEARNER_RANK_LEAD_H_
#define OPERANT_LEARNER_RANK_LEAD_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/base/metrics.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "learner/collective.h"
#include "learner/policy_trainer.h"
#include "learner/rank_abort.h"
#include "learner/rank_hub.h"
#include "learner/trace_writer.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// A group that ends takes this process with it: its verdict aborts the
// collective and asks for a shutdown, as does a rank that was told to end.
// To be used by one thread; destroyed after the server of service() and after
// what uses collective() and trace().
class RankLead {
 public:
  // `config` is resolved and outlives this; `model_digest` that of the model
  // in training.
  RankLead(const v1::RunConfig& config, const std::string& model_digest);

  // What the other ranks call; null: there is one rank.
  grpc::Service* service() const;

  // Waits for the other ranks, which reach this process at `address`, and
  // meets them. Errors: DeadlineExceeded (names who is missing), Aborted (the
  // verdict), those of MeetRanks and OpenTrace.
  absl::Status Gather(const std::string& address, MetricRegistry* metrics);

  // Valid once Gather is done. trace() is null where none is written.
  Collective* collective() const { return collective_.get(); }
  TraceWriter* trace() const { return trace_.get(); }

  // `own` as the trainer of the whole group.
  std::unique_ptr<PolicyTrainer> Lead(std::unique_ptr<PolicyTrainer> own);

  // OK while the group lives.
  absl::Status verdict() const;
  // The run is over: every rank is told.
  void Finish();

 private:
  absl::Status Meet(const std::string& address, MetricRegistry* metrics);

  const v1::RunConfig& config_;
  RankAbort abort_;
  std::unique_ptr<TraceWriter> trace_;
  std::unique_ptr<Collective> collective_;
  std::unique_ptr<RankHub> hub_;  // null: there is one rank
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RANK_LEAD_H_
