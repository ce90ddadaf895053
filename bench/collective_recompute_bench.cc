// What learner.recompute: layer saves: the largest number of bytes that tensors
// take during optimiser steps over micro-batches of 1,024 tokens, everything
// counted that training holds (weights, gradients, both moments, activations),
// with it over without it. Sizes of 30 M parameters, one thin, one wide.
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <malloc.h>
#include <torch/torch.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/report.h"
#include "common/base/monotonic_clock.h"
#include "common/base/status_macros.h"
#include "common/nn/adamw.h"
#include "common/nn/causal_lm.h"
#include "common/nn/torch_status.h"

namespace operant::bench {
namespace {

constexpr int64_t kSequences = 4, kLength = 256;  // a micro-batch
constexpr int kMicrobatches = 2;                  // of an optimiser step
constexpr int kSteps = 3;
constexpr double kMegabyte = 1e6;

// LibTorch's own memory of the CPU, counted.
class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = c10::alloc_cpu(bytes);
    const int64_t held = Held(data);
    const int64_t now = in_use_.fetch_add(held) + held;
    int64_t peak = peak_.load();
    while (now > peak && !peak_.compare_exchange_weak(peak, now)) {
    }
    return {data, data, &Free, at::Device(at::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  static int64_t InUse() { return in_use_; }
  static int64_t Peak() { return peak_; }
  static void Forget() { peak_ = in_use_.load(); }

 private:
  static int64_t Held(void* data) {
    return static_cast<int64_t>(malloc_usable_size(data));
  }
  static void Free(void* data) {
    in_use_ -= Held(data);
    c10::free_cpu(data);
  }

  static inline std::atomic<int64_t> in_use_ = 0;
  static inline std::atomic<int64_t> peak_ = 0;
};

ModelConfig ThinModel() {
  ModelConfig config;
  config.vocab_size = 4096;
  config.hidden_size = 384;
  config.intermediate_size = 1024;
  config.num_hidden_layers = 16;
  config.num_attention_heads = config.num_key_value_heads = 6;
  config.head_dim = 64;
  config.max_position_embeddings = kLength;
  config.tie_word_embeddings = true;
  return config;
}

ModelConfig WideModel() {
  ModelConfig config = ThinModel();
  config.hidden_size = 512;
  config.intermediate_size = 1408;
  config.num_hidden_layers = 9;
  config.num_attention_heads = config.num_key_value_heads = 8;
  return config;
}

struct Usage {
  double peak = 0;         // bytes
  double activations = 0;  // of them, beyond what training holds all the time
  std::vector<double> step_seconds;
};

void Accumulate(CausalLm& model) {
  const TokenBatch batch = {
      at::randint(model.config().vocab_size, {kSequences, kLength}, at::kLong),
      at::full({kSequences}, kLength, at::kLong)};
  const at::Tensor hidden = model.Hidden(batch);
  const at::Tensor targets =
      at::randint(model.config().vocab_size, {hidden.size(0)}, at::kLong);
  (-model.LogProbs(hidden, targets, 1, /*entropy_gradient=*/false).first.mean())
      .backward();
}

Usage Train(const ModelConfig& config, Recompute recompute) {
  const int64_t before = CountingAllocator::InUse();
  const auto model = CausalLm::Create(config, {.recompute = recompute});
  model->InitRandom(1);
  AdamW optimizer({{.parameters = model->Parameters(), .learning_rate = 1e-4}},
                  {});
  const int64_t resident = CountingAllocator::InUse() - before;
  CountingAllocator::Forget();
  Usage usage;
  for (int step = 0; step < kSteps; ++step) {
    const absl::Time start = MonotonicNow();
    for (int i = 0; i < kMicrobatches; ++i) Accumulate(*model);
    optimizer.Step(1);
    usage.step_seconds.push_back(absl::ToDoubleSeconds(MonotonicNow() - start));
  }
  usage.peak = static_cast<double>(CountingAllocator::Peak() - before);
  usage.activations = usage.peak - static_cast<double>(resident);
  return usage;
}

Row Ratio(std::string name, double with, double without) {
  Row row{
      .name = std::move(name),
      .value = with / without,
      .unit = "x",
      .against = "learner.recompute: none",
      .note = absl::StrCat(static_cast<int64_t>(with / kMegabyte), " of ",
                           static_cast<int64_t>(without / kMegabyte), " MB")};
  row.low = row.high = row.value;
  return row;
}

void Measure(const ModelConfig& config, const std::string& suffix,
             std::vector<Row>& rows) {
  const Usage without = Train(config, Recompute::kNone);
  const Usage with = Train(config, Recompute::kLayer);
  Row peak =
      Ratio(absl::StrCat("recompute-memory", suffix), with.peak, without.peak);
  absl::StrAppend(&peak.note, ", all counted; ", ParameterCount(config) / 1000,
                  " k parameters in ", config.num_hidden_layers, " layers");
  rows.push_back(peak);
  rows.push_back(Ratio(absl::StrCat("recompute-activations", suffix),
                       with.activations, without.activations));
  std::vector<double> slower;
  for (int i = 0; i < kSteps; ++i) {
    slower.push_back(with.step_seconds[i] / without.step_seconds[i]);
  }
  rows.push_back(MedianRow(absl::StrCat("recompute-step-time", suffix), "x",
                           std::move(slower)));
  rows.back().against = "learner.recompute: none";
}

absl::Status Run() {
  static CountingAllocator allocator;
  c10::SetCPUAllocator(&allocator, /*priority=*/100);
  std::vector<Row> rows;
  RETURN_IF_ERROR(CatchTorch("measuring", [&] {
    Measure(ThinModel(), "", rows);
    Measure(WideModel(), "-wide", rows);
    return absl::OkStatus();
  }));
  return Report("collective_recompute", rows);
}

}  // namespace
}  // namespace operant::bench

int main() {
  const absl::Status status = operant::bench::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "collective_recompute_bench: %s\n",
               status.ToString().c_str());
  return 1;
}
