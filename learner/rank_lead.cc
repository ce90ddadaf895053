#include "learner/rank_lead.h"

#include <utility>

#include "absl/time/time.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "learner/rank_group.h"
#include "learner/ranked_trainer.h"

namespace operant::learner {
namespace {

void SaveAndStop(int rank) {
  if (ShutdownRequested() != StopSignal::kNone) return;
  LogWarning("a rank was told to end: the run saves and stops",
             {{"rank", rank}});
  RequestShutdown(StopSignal::kTerminate);
}

}  // namespace

RankLead::RankLead(const v1::RunConfig& config, const std::string& model_digest)
    : config_(config) {
  if (config.learner().ranks() <= 1) return;
  hub_ = RankHub::Create({
      .self = ThisRank(config, /*rank=*/0, model_digest),
      .limits = RosterLimits(config.learner()),
      // Whatever this process waits for is then not worth waiting.
      .on_verdict =
          [this](const absl::Status& verdict) {
            abort_.Abort(verdict);
            RequestShutdown(StopSignal::kTerminate);
          },
      .on_leaving = SaveAndStop,
  });
}

grpc::Service* RankLead::service() const {
  return hub_ == nullptr ? nullptr : hub_->service();
}

absl::Status RankLead::Gather(const std::string& address,
                              MetricRegistry* metrics) {
  ASSIGN_OR_RETURN(trace_, OpenTrace(config_.learner(), /*rank=*/0));
  if (hub_ != nullptr) return Meet(address, metrics);
  collective_ = CreateNoCollective();
  return absl::OkStatus();
}

absl::Status RankLead::Meet(const std::string& address,
                            MetricRegistry* metrics) {
  const v1::LearnerSection& learner = config_.learner();
  LogInfo("waiting for the other ranks", {{"ranks", learner.ranks()}});
  RETURN_IF_ERROR(hub_->AwaitAll(absl::Milliseconds(learner.rank_wait_ms())));
  ASSIGN_OR_RETURN(const std::string host, LocalHostTowards(address));
  ASSIGN_OR_RETURN(
      collective_,
      MeetRanks(learner, /*rank=*/0, hub_->group(), host, hub_.get(),
                ObserveExchanges(metrics, trace_.get())));
  abort_.Watch(collective_.get());
  return absl::OkStatus();
}

std::unique_ptr<PolicyTrainer> RankLead::Lead(
    std::unique_ptr<PolicyTrainer> own) {
  if (hub_ == nullptr) return own;
  return CreateRankedTrainer(std::move(own), hub_.get(), collective_.get());
}

absl::Status RankLead::verdict() const {
  return hub_ == nullptr ? absl::OkStatus() : hub_->verdict();
}

void RankLead::Finish() {
  if (hub_ != nullptr) hub_->Finish();
}

}  // namespace operant::learner
