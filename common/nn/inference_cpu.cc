#include <algorithm>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/nn/cpu_lane.h"
#include "common/nn/cpu_weights.h"
#include "common/nn/inference_batch.h"
#include "common/nn/inference_engines.h"
#include "common/nn/kv_cache.h"
#include "common/nn/rotary_table.h"
#include "common/nn/worker_pool.h"

namespace operant {
namespace {

// Threads take whole entries and whole sequences, so they never wait for each
// other within a call.
class CpuInference : public InferenceModel {
 public:
  CpuInference(const ModelConfig& config, const Options& options,
               const CpuKernels& kernels)
      : kernels_(kernels),
        config_(config),
        limits_(LimitsOf(config, options)),
        slot_blocks_(BlocksFor(limits_.max_positions)),
        rotary_(config, limits_.max_positions),
        cache_(config, limits_.slots * slot_blocks_),
        pool_(options.threads) {
    for (int i = 0; i < pool_.threads(); ++i) {
      lanes_.push_back(std::make_unique<CpuLane>(kernels_, config_, rotary_));
    }
  }

  absl::StatusOr<std::shared_ptr<const PackedWeights>> Pack(
      const WeightImage& weights) const override {
    return PackForCpu(kernels_, config_, weights);
  }

  void Use(std::shared_ptr<const PackedWeights> weights) override {
    weights_ = std::static_pointer_cast<const CpuWeights>(std::move(weights));
  }

  absl::Status Forward(std::span<const SlotTokens> batch,
                       std::span<float> logits) override {
    RETURN_IF_ERROR(CheckWeights());
    RETURN_IF_ERROR(CheckForward(limits_, batch, logits.size()));
    sizes_.clear();
    for (const SlotTokens& entry : batch) {
      sizes_.push_back(static_cast<int64_t>(entry.tokens.size()));
    }
    RunParts([&](CpuLane& lane, size_t begin, size_t end) {
      lane.Forward(
          *weights_, batch.subspan(begin, end - begin), cache_, slot_blocks_,
          logits.data() + begin * static_cast<size_t>(config_.vocab_size));
    });
    return absl::OkStatus();
  }

  void CopySlot(int from, int to, int positions) override {
    if (from == to) return;
    cache_.Copy(from * slot_blocks_, to * slot_blocks_, positions);
  }

  absl::Status Score(std::span<const SequenceTokens> sequences,
                     float temperature, const ValueHead* value_head,
                     std::vector<TokenScore>& out) override {
    RETURN_IF_ERROR(CheckWeights());
    RETURN_IF_ERROR(CheckScore(config_, sequences, temperature));
    std::vector<size_t> offsets = {out.size()};  // of each sequence's scores
    sizes_.clear();
    for (const SequenceTokens& sequence : sequences) {
      offsets.push_back(offsets.back() + ScoredPositions(sequence));
      sizes_.push_back(static_cast<int64_t>(sequence.tokens.size()));
    }
    RETURN_IF_ERROR(PrepareScore());
    out.resize(offsets.back());
    RunParts([&](CpuLane& lane, size_t begin, size_t end) {
      lane.Score(*weights_, {temperature, value_head},
                 sequences.subspan(begin, end - begin),
                 out.data() + offsets[begin]);
    });
    return absl::OkStatus();
  }

  const ModelConfig& config() const override { return config_; }

 private:
  absl::Status CheckWeights() const {
    if (weights_ != nullptr) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "engine has no weights: call Pack and Use first");
  }

  // Room for the longest of sizes_, which may exceed a slot.
  absl::Status PrepareScore() try {
    const int64_t longest =
        sizes_.empty() ? 0 : *std::max_element(sizes_.begin(), sizes_.end());
    rotary_.Grow(longest);
    for (const auto& lane : lanes_) lane->PrepareScore(longest);
    return absl::OkStatus();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        "score: no memory for the cache of the longest sequence");
  }

  // Calls body(lane, begin, end) on each thread with its share of the items in
  // sizes_.
  template <typename Body>
  void RunParts(const Body& body) {
    const std::vector<size_t> bounds = SplitEvenly(sizes_, pool_.threads());
    pool_.Run([&](int part) {
      const auto i = static_cast<size_t>(part);
      if (bounds[i] < bounds[i + 1]) body(*lanes_[i], bounds[i], bounds[i + 1]);
    });
  }

  const CpuKernels& kernels_;
  const ModelConfig config_;
  const EngineLimits limits_;
  const int64_t slot_blocks_;
  RotaryTable rotary_;
  KvCache cache_;
  WorkerPool pool_;
  std::vector<std::unique_ptr<CpuLane>> lanes_;  // one for each thread
  std::shared_ptr<const CpuWeights> weights_;
  std::vector<int64_t> sizes_;  // tokens of each item of the current call
};

}  // namespace

absl::StatusOr<std::unique_ptr<InferenceModel>> CreateCpuInference(
    const ModelConfig& config, const InferenceModel::Options& options,
    const CpuKernels& kernels) try {
  return std::make_unique<CpuInference>(config, options, kernels);
} catch (const std::bad_alloc&) {
  return absl::ResourceExhaustedError(
      absl::StrCat("no memory for the caches: slots=", options.slots,
                   ", max_positions=", LimitsOf(config, options).max_positions,
                   ", expected to fit; lower one of them"));
}

}  // namespace operant
