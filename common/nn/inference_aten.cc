#include <torch/torch.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "common/nn/aten_decoder.h"
#include "common/nn/aten_weights.h"
#include "common/nn/cpu_weights.h"
#include "common/nn/inference_batch.h"
#include "common/nn/inference_engines.h"
#include "common/nn/torch_status.h"

namespace operant {
namespace {

// Padded tokens of a group of sequences that is scored together.
constexpr int64_t kScoreTokens = 4096;
// Logits that are kept at once while scoring.
constexpr int64_t kScoreLogits = 1 << 24;

at::TensorOptions OptionsOf(const InferenceModel::Options& options) {
  return at::TensorOptions()
      .device(options.device == Device::kCuda ? at::kCUDA : at::kCPU)
      .dtype(options.compute == ComputeType::kBf16 ? at::kBFloat16
                                                   : at::kFloat);
}

// The rows of one group while it is on the host: B sequences of T tokens.
struct HostRows {
  std::vector<int64_t> tokens;
  std::vector<int64_t> positions;
  std::vector<int64_t> slots;
  int64_t span = 0;

  void Add(int64_t token, int64_t position) {
    tokens.push_back(token);
    positions.push_back(position);
    span = std::max(span, position + 1);
  }
};

class AtenInference : public InferenceModel {
 public:
  AtenInference(const ModelConfig& config, const Options& options)
      : config_(config),
        limits_(LimitsOf(config, options)),
        tensor_options_(OptionsOf(options)),
        decoder_(config, tensor_options_),
        cache_(config, limits_.slots, limits_.max_positions, tensor_options_) {}

  absl::StatusOr<std::shared_ptr<const PackedWeights>> Pack(
      const WeightImage& weights) const override {
    RETURN_IF_ERROR(CheckFits(config_, weights));
    std::shared_ptr<const PackedWeights> packed;
    RETURN_IF_ERROR(CatchTorch("copy weights to the device", [&] {
      packed = CopyToDevice(config_, weights, tensor_options_);
      return absl::OkStatus();
    }));
    return packed;
  }

  void Use(std::shared_ptr<const PackedWeights> weights) override {
    weights_ = std::static_pointer_cast<const AtenWeights>(std::move(weights));
  }

  absl::Status Forward(std::span<const SlotTokens> batch,
                       std::span<float> logits) override {
    RETURN_IF_ERROR(CheckWeights());
    RETURN_IF_ERROR(CheckForward(limits_, batch, logits.size()));
    return CatchTorch("forward", [&] {
      if (!batch.empty()) ForwardOrThrow(batch, logits);
      return absl::OkStatus();
    });
  }

  void CopySlot(int from, int to, int positions) override {
    if (from == to) return;
    for (std::vector<at::Tensor>* part : {&cache_.keys, &cache_.values}) {
      for (const at::Tensor& layer : *part) {
        layer[to]
            .narrow(1, 0, positions)
            .copy_(layer[from].narrow(1, 0, positions));
      }
    }
  }

  absl::Status Score(std::span<const SequenceTokens> sequences,
                     float temperature, const ValueHead* value_head,
                     std::vector<TokenScore>& out) override {
    RETURN_IF_ERROR(CheckWeights());
    RETURN_IF_ERROR(CheckScore(config_, sequences, temperature));
    return CatchTorch("score", [&] {
      ScoreOrThrow(sequences, temperature, value_head, out);
      return absl::OkStatus();
    });
  }

  const ModelConfig& config() const override { return config_; }

 private:
  absl::Status CheckWeights() const {
    if (weights_ != nullptr) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "engine has no weights: call Pack and Use first");
  }

  // Entries of one token run as one group, each longer one by itself; one copy
  // of the logits at the end.
  void ForwardOrThrow(std::span<const SlotTokens> batch,
                      std::span<float> logits) {
    const torch::NoGradGuard no_grad;
    HostRows steps;
    std::vector<int64_t> order;  // entry of each row of `hidden`
    std::vector<at::Tensor> hidden;
    for (size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].tokens.size() != 1) continue;
      AddEntry(batch[i], steps);
      order.push_back(static_cast<int64_t>(i));
    }
    if (!order.empty()) hidden.push_back(RunLast(steps));
    for (size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].tokens.size() == 1) continue;
      HostRows rows;
      AddEntry(batch[i], rows);
      hidden.push_back(RunLast(rows));
      order.push_back(static_cast<int64_t>(i));
    }
    const at::Tensor rows = Logits(torch::cat(hidden));
    at::Tensor out = torch::from_blob(
        logits.data(),
        {static_cast<int64_t>(batch.size()), config_.vocab_size});
    out.index_copy_(0, torch::tensor(order), rows.cpu());
  }

  static void AddEntry(const SlotTokens& entry, HostRows& rows) {
    int64_t position = entry.position;
    for (const int32_t token : entry.tokens) rows.Add(token, position++);
    rows.slots.push_back(entry.slot);
  }

  at::Tensor RunLast(const HostRows& rows) {
    return decoder_.Run(*weights_, ToDevice(rows), cache_).select(1, -1);
  }

  AtenRows ToDevice(const HostRows& rows) const {
    const auto b = static_cast<int64_t>(rows.slots.size());
    return {Upload(rows.tokens).view({b, -1}), Upload(rows.slots),
            Upload(rows.positions).view({b, -1}), rows.span};
  }

  at::Tensor Upload(const std::vector<int64_t>& numbers) const {
    return torch::tensor(numbers).to(tensor_options_.device());
  }

  // [N, D] -> [N, V] fp32
  at::Tensor Logits(const at::Tensor& hidden) const {
    return torch::matmul(hidden, weights_->head.t()).to(torch::kFloat);
  }

  // Consecutive sequences in padded groups of about kScoreTokens.
  void ScoreOrThrow(std::span<const SequenceTokens> sequences,
                    float temperature, const ValueHead* value_head,
                    std::vector<TokenScore>& out) {
    for (size_t begin = 0; begin < sequences.size();) {
      size_t end = begin;
      size_t longest = 0;
      while (end < sequences.size()) {
        longest = std::max(longest, sequences[end].tokens.size());
        if (end > begin && (end + 1 - begin) * longest > kScoreTokens) break;
        ++end;
      }
      ScoreGroup(sequences.subspan(begin, end - begin), temperature, value_head,
                 out);
      begin = end;
    }
  }

  void ScoreGroup(std::span<const SequenceTokens> group, float temperature,
                  const ValueHead* value_head, std::vector<TokenScore>& out) {
    const torch::NoGradGuard no_grad;
    size_t longest = 0;
    for (const auto& s : group) longest = std::max(longest, s.tokens.size());
    HostRows rows;
    std::vector<int64_t> scored;   // rows before the scored tokens
    std::vector<int64_t> targets;  // those tokens
    for (size_t i = 0; i < group.size(); ++i) {
      const std::span<const int32_t> tokens = group[i].tokens;
      rows.slots.push_back(static_cast<int64_t>(i));
      for (size_t p = 0; p < longest; ++p) {
        rows.Add(p < tokens.size() ? tokens[p] : 0, static_cast<int64_t>(p));
      }
      for (size_t p = static_cast<size_t>(group[i].first_scored);
           p < tokens.size(); ++p) {
        scored.push_back(static_cast<int64_t>(i * longest + p - 1));
        targets.push_back(tokens[p]);
      }
    }
    if (scored.empty()) return;
    AtenCache cache(config_, static_cast<int64_t>(group.size()),
                    static_cast<int64_t>(longest), tensor_options_);
    const at::Tensor hidden = decoder_.Run(*weights_, ToDevice(rows), cache)
                                  .flatten(0, 1)
                                  .index_select(0, Upload(scored));
    AppendScores(hidden, Upload(targets), temperature, value_head, out);
  }

  // In tiles of rows, so that [N, V] is never whole.
  void AppendScores(const at::Tensor& hidden, const at::Tensor& targets,
                    float temperature, const ValueHead* value_head,
                    std::vector<TokenScore>& out) const {
    const int64_t tile =
        std::max<int64_t>(kScoreLogits / config_.vocab_size, 1);
    std::vector<at::Tensor> columns;  // [tile, 3] each
    for (int64_t i = 0; i < hidden.size(0); i += tile) {
      const int64_t n = std::min(tile, hidden.size(0) - i);
      const at::Tensor rows = hidden.narrow(0, i, n);
      const at::Tensor logp = (Logits(rows) / temperature).log_softmax(-1);
      columns.push_back(torch::stack(
          {logp.gather(1, targets.narrow(0, i, n).unsqueeze(1)).squeeze(1),
           -(logp.exp() * logp).sum(-1), Values(rows, value_head)},
          1));
    }
    const at::Tensor scores = torch::cat(columns).cpu().contiguous();
    const float* number = scores.const_data_ptr<float>();
    for (int64_t i = 0; i < scores.size(0); ++i, number += 3) {
      out.push_back({number[0], number[1], number[2]});
    }
  }

  at::Tensor Values(const at::Tensor& rows, const ValueHead* value_head) const {
    const auto fp32 = tensor_options_.dtype(torch::kFloat);
    if (value_head == nullptr) return torch::zeros({rows.size(0)}, fp32);
    const at::Tensor weight = torch::tensor(value_head->weight).to(fp32);
    return torch::mv(rows.to(torch::kFloat), weight) + value_head->bias;
  }

  const ModelConfig config_;
  const EngineLimits limits_;
  const at::TensorOptions tensor_options_;
  const AtenDecoder decoder_;
  AtenCache cache_;
  std::shared_ptr<const AtenWeights> weights_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<InferenceModel>> CreateAtenInference(
    const ModelConfig& config, const InferenceModel::Options& options) {
  std::unique_ptr<InferenceModel> model;
  RETURN_IF_ERROR(CatchTorch("create the LibTorch engine", [&] {
    if (options.device == Device::kCpu) torch::set_num_threads(options.threads);
    model = std::make_unique<AtenInference>(config, options);
    return absl::OkStatus();
  }));
  return model;
}

}  // namespace operant
