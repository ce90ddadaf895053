#include "learner/ranked_trainer.h"

#include <torch/torch.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/failpoint.h"
#include "common/base/status_macros.h"
#include "common/nn/torch_status.h"
#include "learner/rank_batch.h"

namespace operant::learner {
namespace {

// Of what all ranks see alike: no rank is at fault, and all go on.
bool IsShared(const absl::Status& status) {
  return status.ok() || absl::IsOutOfRange(status) ||
         absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status);
}

// Rank 0's bytes, on every rank. `bytes` has their number on all of them.
absl::Status BroadcastBytes(Collective& collective, std::string& bytes) {
  return CatchTorch("broadcasting a step", [&] {
    const at::Tensor host = at::from_blob(
        bytes.data(), {static_cast<int64_t>(bytes.size())}, at::kByte);
    const at::Tensor data = host.to(collective.device());
    RETURN_IF_ERROR(collective.Broadcast(data, /*root=*/0, "step")->Wait());
    host.copy_(data);
    return absl::OkStatus();
  });
}

class RankedTrainer final : public PolicyTrainer {
 public:
  RankedTrainer(std::unique_ptr<PolicyTrainer> own, RankHub* hub,
                Collective* collective)
      : own_(std::move(own)), hub_(hub), collective_(collective) {}

  absl::Status Synchronize() override {
    v1::RankOrder order;
    order.mutable_synchronize();
    hub_->Send(order);
    return Explained(own_->Synchronize());
  }

  absl::StatusOr<BuiltExperience> Build(const ScoredBatch& batch,
                                        double kl_coefficient) override {
    std::string bytes = EncodeRankBatch(batch, kl_coefficient);
    v1::RankOrder order;
    order.mutable_build()->set_step(batch.step);
    order.mutable_build()->set_bytes(bytes.size());
    hub_->Send(order);
    RETURN_IF_ERROR(Explained(BroadcastBytes(*collective_, bytes)));
    absl::StatusOr<BuiltExperience> built = own_->Build(batch, kl_coefficient);
    RETURN_IF_ERROR(Explained(built.status()));
    return built;
  }

  absl::StatusOr<UpdateStats> Update(const Experience& experience,
                                     uint64_t step,
                                     double learning_rate_scale) override {
    v1::RankOrder order;
    order.mutable_update()->set_step(step);
    order.mutable_update()->set_learning_rate_scale(learning_rate_scale);
    hub_->Send(order);
    absl::StatusOr<UpdateStats> stats =
        own_->Update(experience, step, learning_rate_scale);
    RETURN_IF_ERROR(Explained(stats.status()));
    return stats;
  }

  std::shared_ptr<const WeightImage> Weights() const override {
    return own_->Weights();
  }
  InferenceModel& reference() override { return own_->reference(); }

  absl::Status SaveState(const std::string& folder) override {
    v1::RankOrder order;
    order.mutable_gather();
    hub_->Send(order);
    return Explained(own_->SaveState(folder));
  }
  absl::Status GiveState() override { return own_->GiveState(); }
  absl::Status LoadState(const std::string& folder) override {
    return own_->LoadState(folder);
  }

 private:
  absl::Status Explained(const absl::Status& status) const {
    return IsShared(status) ? status : hub_->Explain(status);
  }

  const std::unique_ptr<PolicyTrainer> own_;
  RankHub* const hub_;
  Collective* const collective_;
};

class Follower {
 public:
  Follower(PolicyTrainer& own, RankMember& member, Collective& collective)
      : own_(own), member_(member), collective_(collective) {}

  absl::Status Run(absl::Duration grace) {
    while (true) {
      member_.Doing("waiting for orders");
      ASSIGN_OR_RETURN(const v1::RankOrder order, member_.NextOrder(grace));
      if (order.has_stop()) return absl::OkStatus();
      const absl::Status done = Obey(order);
      if (!IsShared(done)) return done;
    }
  }

 private:
  absl::Status Obey(const v1::RankOrder& order) {
    switch (order.order_case()) {
      case v1::RankOrder::kSynchronize:
        member_.Doing("taking the state from rank 0");
        return own_.Synchronize();
      case v1::RankOrder::kBuild:
        return Build(order.build());
      case v1::RankOrder::kUpdate:
        return Update(order.update());
      case v1::RankOrder::kGather:
        member_.Doing("giving its state to a checkpoint");
        return own_.GiveState();
      default:
        return absl::InternalError(absl::StrCat(
            "rank 0 ordered ", order.ShortDebugString(), ", unknown here"));
    }
  }

  absl::Status Build(const v1::RankOrder::Build& order) {
    member_.Doing(absl::StrCat("experience of step ", order.step() + 1));
    built_.reset();
    std::string bytes(order.bytes(), 0);
    RETURN_IF_ERROR(BroadcastBytes(collective_, bytes));
    ASSIGN_OR_RETURN(const RankStep step, DecodeRankBatch(bytes));
    RETURN_IF_ERROR(Failpoint("rank.build"));
    ASSIGN_OR_RETURN(built_, own_.Build(step.batch, step.kl_coefficient));
    return absl::OkStatus();
  }

  absl::Status Update(const v1::RankOrder::Update& order) {
    member_.Doing(absl::StrCat("update of step ", order.step() + 1));
    RETURN_IF_ERROR(Failpoint("rank.update"));
    if (!built_.has_value())
      return absl::InternalError("an update without experience");
    return own_
        .Update(built_->experience, order.step(), order.learning_rate_scale())
        .status();
  }

  PolicyTrainer& own_;
  RankMember& member_;
  Collective& collective_;
  std::optional<BuiltExperience> built_;
};

}  // namespace

std::unique_ptr<PolicyTrainer> CreateRankedTrainer(
    std::unique_ptr<PolicyTrainer> own, RankHub* hub, Collective* collective) {
  return std::make_unique<RankedTrainer>(std::move(own), hub, collective);
}

absl::Status FollowOrders(PolicyTrainer& own, RankMember& member,
                          Collective& collective, absl::Duration grace) {
  return Follower(own, member, collective).Run(grace);
}

}  // namespace operant::learner
