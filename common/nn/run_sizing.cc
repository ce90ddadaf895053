#include "common/nn/run_sizing.h"

#include <algorithm>
#include <cmath>

namespace operant {
namespace {

constexpr uint64_t kFp32 = 4;
constexpr uint64_t kBf16 = 2;
// Weights, gradients, the reference policy, and the copy of the weights that
// log-probabilities are read with.
constexpr uint64_t kWholeCopies = 4;
constexpr uint64_t kMoments = 2;
// More ranks than this save less than 1 % of the whole.
constexpr uint32_t kMostRanks = 64;
// A token through the model: 2 a parameter forward, twice that backward. Once
// more forward for recomputation, for the old log-probs, for the reference.
constexpr double kFlopsPerParameter = 6 + 2 + 2 + 2;

uint64_t Parameters(const ModelConfig& model) {
  return static_cast<uint64_t>(ParameterCount(model));
}

// With learner.recompute=layer: each layer's input, and the insides of one:
// norms, q, k, v, attention's and its projection's outputs, gate, up and their
// product; as much again for their gradients.
uint64_t ActivationBytes(const ModelConfig& model, uint64_t tokens) {
  const auto d = static_cast<uint64_t>(model.hidden_size);
  const auto f = static_cast<uint64_t>(model.intermediate_size);
  const auto kv =
      static_cast<uint64_t>(model.num_key_value_heads * model.head_dim);
  const uint64_t insides = 6 * d + 2 * kv + 3 * f;
  const uint64_t inputs = static_cast<uint64_t>(model.num_hidden_layers) * d;
  return kFp32 * tokens * (inputs + 2 * insides);
}

uint64_t KeyValueBytes(const ModelConfig& model) {
  return kFp32 *
         static_cast<uint64_t>(2 * model.num_hidden_layers *
                               model.num_key_value_heads * model.head_dim);
}

uint64_t UnsharedBytes(const ModelConfig& model, const SizedRun& run) {
  return kWholeCopies * kFp32 * Parameters(model) +
         ActivationBytes(model, run.microbatch_tokens);
}

double TrainSeconds(const ModelConfig& model, const SizedRun& run,
                    const Machine& machine, uint32_t ranks) {
  const double tokens = static_cast<double>(run.samples_per_step) *
                        (run.prompt_tokens + run.response_tokens);
  return tokens * kFlopsPerParameter * Parameters(model) /
         (ranks * machine.flops_per_second);
}

// One worker: each decoding pass reads the weights once and, on average, keys
// and values of the prompt and half of the response of every slot.
double SampleSeconds(const ModelConfig& model, const SizedRun& run,
                     const Machine& machine) {
  const double passes =
      std::ceil(static_cast<double>(run.samples_per_step) / run.slots) *
      run.response_tokens;
  const double context = run.prompt_tokens + run.response_tokens / 2.0;
  const double bytes = static_cast<double>(kBf16 * Parameters(model)) +
                       run.slots * context * KeyValueBytes(model);
  return passes * bytes / machine.bytes_per_second;
}

uint32_t SmallestRanks(const ModelConfig& model, const SizedRun& run,
                       const Machine& machine) {
  for (uint32_t ranks = 1; ranks <= kMostRanks; ++ranks)
    if (RankBytes(model, run, ranks) <= machine.memory_bytes) return ranks;
  return 0;
}

}  // namespace

uint64_t RankBytes(const ModelConfig& model, const SizedRun& run,
                   uint32_t ranks) {
  const uint64_t moments = kMoments * kFp32 * Parameters(model);
  return UnsharedBytes(model, run) + (moments + ranks - 1) / ranks;
}

uint64_t WorkerBytes(const ModelConfig& model, const SizedRun& run) {
  const uint64_t positions =
      run.slots * (run.prompt_tokens + run.response_tokens);
  return 2 * kBf16 * Parameters(model) + positions * KeyValueBytes(model);
}

RunSizing SizeRun(const ModelConfig& model, const SizedRun& run,
                  const Machine& machine) {
  RunSizing sizing;
  sizing.parameters = Parameters(model);
  sizing.ranks = SmallestRanks(model, run, machine);
  sizing.rank_bytes = RankBytes(model, run, std::max(sizing.ranks, 1u));
  sizing.unshared_bytes = UnsharedBytes(model, run);
  sizing.worker_bytes = WorkerBytes(model, run);
  sizing.worker_fits = sizing.worker_bytes <= machine.memory_bytes;
  if (sizing.ranks > 0)
    sizing.train_seconds = TrainSeconds(model, run, machine, sizing.ranks);
  if (sizing.ranks > 0 && sizing.worker_fits) {
    sizing.workers = static_cast<uint32_t>(
        std::ceil(SampleSeconds(model, run, machine) / sizing.train_seconds));
  }
  sizing.push_bytes = kFp32 * sizing.parameters;
  // A reduce-scatter of gradients and an all-gather of parameters, of which a
  // rank keeps its own share to itself.
  sizing.exchange_bytes = 2 * kFp32 * sizing.parameters;
  return sizing;
}

}  // namespace operant
