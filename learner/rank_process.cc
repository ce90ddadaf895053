#include "learner/rank_process.h"

#include <utility>

#include "common/base/health.h"
#include "common/base/http_server.h"
#include "common/base/metric_registration.h"
#include "common/base/status_macros.h"
#include "common/nn/weight_image.h"
#include "common/run/announcement.h"
#include "learner/rank_abort.h"
#include "learner/rank_group.h"
#include "learner/rank_member.h"
#include "learner/ranked_trainer.h"

namespace operant::learner {
namespace {

class RankSession {
 public:
  explicit RankSession(const RankOptions& options)
      : options_(options), config_(options.config) {}

  absl::Status Run() {
    RETURN_IF_ERROR(Serve());
    ASSIGN_OR_RETURN(const HfModel model, LoadHfModel(config_.model().path()));
    RETURN_IF_ERROR(Join(ModelDigest(model.config)));
    const absl::Status followed = Follow(model);
    health_.SetReady(false, "over");
    return followed.ok() ? followed : member_->Explain(followed);
  }

 private:
  absl::Status Serve() {
    ASSIGN_OR_RETURN(
        http_, HttpServer::Create(options_.http, {.metrics = metrics_.get(),
                                                  .health = &health_}));
    health_.SetStarted();
    return WriteAnnouncement(options_.announce_path,
                             {.address = "", .metrics = http_->address()});
  }

  absl::Status Join(const std::string& model_digest) {
    const v1::LearnerSection& learner = config_.learner();
    ASSIGN_OR_RETURN(
        member_,
        RankMember::Join(
            {.self = ThisRank(config_, options_.rank, model_digest),
             .coordinator = options_.coordinator,
             .to_rank0 = options_.credentials->ForPeer(v1::ROLE_LEARNER),
             .wait = absl::Milliseconds(learner.rank_wait_ms()),
             .silence = absl::Milliseconds(learner.collective_timeout_ms()),
             .on_verdict = [this](const absl::Status& verdict) {
               abort_.Abort(verdict);
             }}));
    return absl::OkStatus();
  }

  absl::Status Follow(const HfModel& model) {
    ASSIGN_OR_RETURN(trace_, OpenTrace(config_.learner(), options_.rank));
    ASSIGN_OR_RETURN(const std::string host,
                     LocalHostTowards(options_.coordinator));
    ASSIGN_OR_RETURN(collective_,
                     MeetRanks(config_.learner(), options_.rank,
                               member_->group(), host, member_.get(),
                               ObserveExchanges(metrics_.get(), trace_.get())));
    abort_.Watch(collective_.get());
    ASSIGN_OR_RETURN(trainer_,
                     PolicyTrainer::Create(config_, model, model,
                                           collective_.get(), trace_.get()));
    health_.SetReady(true, "following rank 0");
    return FollowOrders(*trainer_, *member_, *collective_,
                        absl::Milliseconds(config_.run().stop_grace_ms()));
  }

  const RankOptions& options_;
  const v1::RunConfig& config_;
  std::unique_ptr<MetricRegistry> metrics_ =
      CreateMetricsFor(MetricRole::kRank);
  Health health_;
  std::unique_ptr<HttpServer> http_;
  RankAbort abort_;
  std::unique_ptr<TraceWriter> trace_;
  std::unique_ptr<Collective> collective_;
  std::unique_ptr<RankMember> member_;
  std::unique_ptr<PolicyTrainer> trainer_;
};

}  // namespace

absl::Status RunRank(const RankOptions& options) {
  RankSession session(options);
  return session.Run();
}

}  // namespace operant::learner
