// The CPU engine at the demo's size: decode steps, scoring, products, sampling.
// One thread.
#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "common/base/philox.h"
#include "common/nn/cpu_kernels.h"
#include "common/nn/gemm.h"
#include "common/nn/inference_model.h"
#include "rollout/sampler.h"

namespace operant {
namespace {

constexpr int kPrompt = 8;
constexpr int kResponse = 40;  // tokens of a response before its slot restarts

ModelConfig DemoModel() {
  ModelConfig config;
  config.vocab_size = 2048;
  config.hidden_size = 128;
  config.intermediate_size = 256;
  config.num_hidden_layers = 4;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 4;
  config.head_dim = 32;
  config.max_position_embeddings = 64;
  config.tie_word_embeddings = true;
  return config;
}

WeightImage RandomImage(const ModelConfig& config) {
  WeightImage image = WeightImage::ForModel(config, WeightType::kF32);
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0, 0.05f);
  auto* out = reinterpret_cast<float*>(image.bytes().data());
  std::generate_n(out, image.bytes().size() / sizeof(float),
                  [&] { return normal(random); });
  return image;
}

std::unique_ptr<InferenceModel> MakeEngine(int slots) {
  auto engine = InferenceModel::Create(DemoModel(), {.slots = slots}).value();
  engine->Use(engine->Pack(RandomImage(DemoModel())).value());
  return engine;
}

// Every slot is at another place of its response, as in steady state.
void BM_Decode_Step(benchmark::State& state) {
  const int batch = static_cast<int>(state.range(0));
  const auto engine = MakeEngine(batch);
  const std::vector<int32_t> prompt(kPrompt + kResponse, 5);
  std::vector<float> logits(static_cast<size_t>(batch) * 2048);
  std::vector<SlotTokens> entries;
  for (int i = 0; i < batch; ++i) entries.push_back({i, 0, prompt});
  benchmark::DoNotOptimize(engine->Forward(entries, logits).ok());
  rollout::Sampler sampler;
  const rollout::Sampling sampling;
  std::vector<int32_t> next(static_cast<size_t>(batch), 5);
  int32_t step = 0;
  for (auto _ : state) {
    for (int i = 0; i < batch; ++i) {
      const auto at = static_cast<size_t>(i);
      entries[at] = {i, kPrompt + (step + i) % kResponse,
                     std::span(next).subspan(at, 1)};
    }
    ++step;
    benchmark::DoNotOptimize(engine->Forward(entries, logits).ok());
    for (int i = 0; i < batch; ++i) {
      const auto at = static_cast<size_t>(i);
      const float u = SampleUniform({1, 2, static_cast<uint32_t>(i)},
                                    static_cast<uint32_t>(step));
      next[at] =
          sampler
              .Sample(std::span(logits).subspan(at * 2048, 2048), sampling, u)
              ->id;
    }
  }
  state.counters["tokens/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * batch,
                         benchmark::Counter::kIsRate);
}
BENCHMARK(BM_Decode_Step)
    ->ArgName("B")
    ->Arg(1)
    ->Arg(16)
    ->Arg(64)
    ->Arg(128)
    ->Arg(256)
    ->Unit(benchmark::kMillisecond);

void BM_Score_Responses(benchmark::State& state) {
  const auto engine = MakeEngine(1);
  const std::vector<int32_t> tokens(kPrompt + 24, 5);
  const std::vector<SequenceTokens> sequences(256, {tokens, kPrompt});
  std::vector<TokenScore> scores;
  for (auto _ : state) {
    scores.clear();
    benchmark::DoNotOptimize(engine->Score(sequences, 1, nullptr, scores).ok());
  }
  state.counters["tokens/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) *
          static_cast<double>(sequences.size() * tokens.size()),
      benchmark::Counter::kIsRate);
}
BENCHMARK(BM_Score_Responses)->Unit(benchmark::kMillisecond);

void BM_Gemm_Packed(benchmark::State& state) {
  const int64_t m = state.range(0);
  const int64_t n = state.range(1);
  const int64_t k = state.range(2);
  PackedMatrix w(BestCpuKernels(), n, k);
  w.PackRows(0, std::vector<float>(static_cast<size_t>(n * k), 0.5f));
  const std::vector<float> a(static_cast<size_t>(m * k), 0.25f);
  std::vector<float> c(static_cast<size_t>(m * n));
  for (auto _ : state) Multiply(w, a.data(), m, c.data(), false);
  state.counters["flop/s"] =
      benchmark::Counter(2.0 * static_cast<double>(m * n * k) *
                             static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}
BENCHMARK(BM_Gemm_Packed)
    ->ArgNames({"M", "N", "K"})
    ->Args({64, 384, 128})
    ->Args({128, 512, 128})
    ->Args({128, 128, 256})
    ->Args({256, 2048, 128})
    ->Args({128, 4096, 1024});

void BM_Sampler_Draw(benchmark::State& state) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> logits(2048);
  for (float& x : logits) x = normal(random);
  rollout::Sampler sampler;
  rollout::Sampling sampling;
  sampling.top_k = static_cast<int32_t>(state.range(0));
  uint32_t position = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        sampler.Sample(logits, sampling, SampleUniform({1, 2, 3}, position++)));
  }
}
BENCHMARK(BM_Sampler_Draw)->ArgName("top_k")->Arg(0)->Arg(50);

}  // namespace
}  // namespace operant

BENCHMARK_MAIN();
