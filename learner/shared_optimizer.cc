#include "learner/shared_optimizer.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/digest.h"
#include "common/base/status_macros.h"

namespace operant::learner {
namespace {

using State = SharedOptimizer::State;

// Calls back once a backward pass has added to the parameter's gradient.
class AfterGradient final : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit AfterGradient(std::function<void()> call) : call_(std::move(call)) {}
  void operator()(const at::Tensor&) override { call_(); }

 private:
  const std::function<void()> call_;
};

class SharedOptimizerImpl final : public SharedOptimizer {
 public:
  SharedOptimizerImpl(std::vector<ParameterGroup> groups,
                      const AdamWOptions& options, State state,
                      Collective* collective)
      : state_(state),
        collective_(collective),
        adamw_(std::move(groups), options, ShareOf(state, *collective)),
        blocks_(adamw_.blocks().size()) {
    PlanOrder();
    WatchGradients();
  }
  // The parameters outlive it.
  ~SharedOptimizerImpl() override {
    for (const AdamW::Entry& entry : adamw_.entries())
      torch::autograd::impl::set_post_acc_grad_hooks(entry.parameter, nullptr);
  }

  void ZeroGradients() override { adamw_.ZeroGradients(); }

  void SumDuringBackward() override {
    for (Block& block : blocks_) block.missing = block.parameters;
    armed_ = true;
  }

  void QueueSums() override {
    armed_ = false;
    while (queued_ < order_.size()) QueueSum(order_[queued_++]);
  }

  absl::StatusOr<AdamWStep> Step(double learning_rate_scale) override;
  absl::Status Skip() override;
  absl::Status Broadcast() override;
  absl::Status CompareParameters() override;
  absl::StatusOr<AdamWMoments> Gather() override;

  absl::Status Write(const std::string& path,
                     const AdamWMoments& moments) const override {
    return adamw_.Write(path, moments);
  }
  absl::Status Load(const std::string& path) override;
  const AdamW& adamw() const override { return adamw_; }

 private:
  // A block of the flat gradients, and how far its sum is.
  struct Block {
    int parameters = 0;    // that lie in it, wholly or in part
    int missing = 0;       // of these, without their gradient in this pass
    int64_t earliest = 0;  // the first of them that a forward pass uses
  };

  static AdamWShare ShareOf(State state, const Collective& collective) {
    if (state == State::kWhole) return {};
    return {collective.rank(), collective.size()};
  }

  void PlanOrder();
  void WatchGradients();
  void GradientIsThere(const FlatRange& parameter);
  void QueueReady();
  void QueueSum(size_t block);
  absl::Status AwaitSums();
  absl::Status GatherBlocks(const at::Tensor& flat, const std::string& what);
  absl::Status WaitAll(std::vector<std::unique_ptr<Exchange>> exchanges) const;
  at::Tensor PartOf(const at::Tensor& flat, const FlatRange& range) const {
    return flat.narrow(0, range.begin, range.size());
  }
  bool Overlaps(size_t block, const FlatRange& range) const {
    const FlatRange& own = adamw_.blocks()[block];
    return range.begin < own.end && own.begin < range.end;
  }

  const State state_;
  Collective* const collective_;
  AdamW adamw_;
  std::vector<Block> blocks_;  // as adamw_.blocks()
  // In which blocks are summed: the same on all ranks, whatever a rank's
  // passes are. A backward pass reaches last what a forward pass used first.
  std::vector<size_t> order_;
  size_t queued_ = 0;  // of order_, in this optimiser step
  bool armed_ = false;
  std::vector<std::unique_ptr<Exchange>> sums_;
  AdamWMoments loaded_;  // what Broadcast sends, if anything was loaded
};

void SharedOptimizerImpl::PlanOrder() {
  for (size_t b = 0; b < blocks_.size(); ++b) {
    order_.push_back(b);
    blocks_[b].earliest = std::numeric_limits<int64_t>::max();
    for (const AdamW::Entry& entry : adamw_.entries()) {
      if (!Overlaps(b, entry.range)) continue;
      ++blocks_[b].parameters;
      blocks_[b].earliest = std::min(blocks_[b].earliest, entry.order);
    }
  }
  std::ranges::stable_sort(order_, std::ranges::greater{},
                           [this](size_t b) { return blocks_[b].earliest; });
}

void SharedOptimizerImpl::WatchGradients() {
  for (const AdamW::Entry& entry : adamw_.entries()) {
    torch::autograd::impl::set_post_acc_grad_hooks(
        entry.parameter,
        std::make_unique<AfterGradient>(
            [this, range = entry.range] { GradientIsThere(range); }));
  }
}

void SharedOptimizerImpl::GradientIsThere(const FlatRange& parameter) {
  if (!armed_) return;
  for (size_t b = 0; b < blocks_.size(); ++b) {
    if (Overlaps(b, parameter)) --blocks_[b].missing;
  }
  QueueReady();
}

void SharedOptimizerImpl::QueueReady() {
  while (queued_ < order_.size() && blocks_[order_[queued_]].missing <= 0)
    QueueSum(order_[queued_++]);
}

void SharedOptimizerImpl::QueueSum(size_t block) {
  const at::Tensor gradients =
      PartOf(adamw_.flat_gradients(), adamw_.blocks()[block]);
  sums_.push_back(
      state_ == State::kShared
          ? collective_->ReduceScatter(gradients, Reduction::kSum, "gradients")
          : collective_->AllReduce(gradients, Reduction::kSum, "gradients"));
}

absl::Status SharedOptimizerImpl::AwaitSums() {
  queued_ = 0;
  return WaitAll(std::exchange(sums_, {}));
}

absl::Status SharedOptimizerImpl::WaitAll(
    std::vector<std::unique_ptr<Exchange>> exchanges) const {
  absl::Status status;
  for (const auto& exchange : exchanges) status.Update(exchange->Wait());
  return status;
}

absl::StatusOr<AdamWStep> SharedOptimizerImpl::Step(
    double learning_rate_scale) {
  RETURN_IF_ERROR(AwaitSums());
  const at::Tensor norm =
      at::full({1}, adamw_.SquaredGradientNorm(), at::kDouble)
          .to(adamw_.flat_gradients().device());
  if (state_ == State::kShared) {
    RETURN_IF_ERROR(
        collective_->AllReduce(norm, Reduction::kSum, "gradient norm")->Wait());
  }
  const AdamWStep step = adamw_.Step(learning_rate_scale, norm.item<double>());
  if (state_ == State::kShared && step.applied)
    RETURN_IF_ERROR(GatherBlocks(adamw_.flat_parameters(), "parameters"));
  return step;
}

absl::Status SharedOptimizerImpl::Skip() {
  RETURN_IF_ERROR(AwaitSums());
  adamw_.ZeroGradients();
  return absl::OkStatus();
}

absl::Status SharedOptimizerImpl::GatherBlocks(const at::Tensor& flat,
                                               const std::string& what) {
  std::vector<std::unique_ptr<Exchange>> exchanges;
  for (const FlatRange& block : adamw_.blocks())
    exchanges.push_back(collective_->AllGather(PartOf(flat, block), what));
  return WaitAll(std::move(exchanges));
}

// Whole blocks travel, so that it does not matter who keeps which share.
absl::Status SharedOptimizerImpl::Broadcast() {
  const at::NoGradGuard no_grad;
  const at::Tensor& parameters = adamw_.flat_parameters();
  AdamWMoments moments = std::exchange(loaded_, {});
  if (!moments.first.defined()) {
    moments = {at::zeros_like(parameters), at::zeros_like(parameters)};
  }
  const at::Tensor steps =
      at::full({1}, moments.steps, at::kLong).to(parameters.device());
  std::vector<std::unique_ptr<Exchange>> exchanges;
  for (const auto& [tensor, what] : {std::pair(parameters, "parameters"),
                                     {moments.first, "first moments"},
                                     {moments.second, "second moments"},
                                     {steps, "steps"}}) {
    exchanges.push_back(collective_->Broadcast(tensor, /*root=*/0, what));
  }
  RETURN_IF_ERROR(WaitAll(std::move(exchanges)));
  moments.steps = steps.item<int64_t>();
  adamw_.SetMoments(moments);
  return absl::OkStatus();
}

absl::Status SharedOptimizerImpl::Load(const std::string& path) {
  ASSIGN_OR_RETURN(loaded_, adamw_.Read(path));
  adamw_.SetMoments(loaded_);
  return absl::OkStatus();
}

absl::Status SharedOptimizerImpl::CompareParameters() {
  if (collective_->size() == 1) return absl::OkStatus();
  const at::Tensor host = adamw_.flat_parameters().cpu();
  const std::string digest = Xxh3(std::string_view(
      static_cast<const char*>(host.data_ptr()), host.nbytes()));
  const int64_t words = static_cast<int64_t>(digest.size() / sizeof(int64_t));
  at::Tensor digests = at::zeros({collective_->size(), words}, at::kLong);
  std::memcpy(digests[collective_->rank()].data_ptr(), digest.data(),
              digest.size());
  digests = digests.to(adamw_.flat_parameters().device());
  RETURN_IF_ERROR(
      collective_->AllGather(digests.view({-1}), "parameter digests")->Wait());
  std::vector<int64_t> differ;
  for (int64_t rank = 1; rank < digests.size(0); ++rank) {
    if (!at::equal(digests[rank], digests[0])) differ.push_back(rank);
  }
  if (differ.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "ranks differ: the parameters of rank ", absl::StrJoin(differ, ", "),
      " are not those of rank 0, expected the same bits after every step; go "
      "on from the last checkpoint with --resume, and test the memory of these "
      "machines"));
}

absl::StatusOr<AdamWMoments> SharedOptimizerImpl::Gather() {
  AdamWMoments moments = adamw_.Moments();
  if (state_ == State::kWhole) return moments;
  RETURN_IF_ERROR(GatherBlocks(moments.first, "first moments"));
  RETURN_IF_ERROR(GatherBlocks(moments.second, "second moments"));
  return moments;
}

}  // namespace

std::unique_ptr<SharedOptimizer> SharedOptimizer::Create(
    std::vector<ParameterGroup> groups, const AdamWOptions& options,
    State state, Collective* collective) {
  return std::make_unique<SharedOptimizerImpl>(std::move(groups), options,
                                               state, collective);
}

}  // namespace operant::learner
