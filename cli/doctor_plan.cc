#include "cli/doctor_plan.h"

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/nn/run_sizing.h"

namespace operant::cli {
namespace {

// A step of 512 responses of 1024 tokens to prompts of 512; the defaults of
// rollout.slots and learner.microbatch_tokens.
constexpr SizedRun kRun = {.samples_per_step = 512,
                           .prompt_tokens = 512,
                           .response_tokens = 1024,
                           .slots = 64,
                           .microbatch_tokens = 8192};

struct NamedModel {
  const char* name;
  ModelConfig config;
};

ModelConfig Model(int64_t vocab, int64_t width, int64_t inner, int64_t layers,
                  int64_t heads, int64_t kv_heads, int64_t head_dim,
                  bool tied) {
  ModelConfig model;
  model.vocab_size = vocab;
  model.hidden_size = width;
  model.intermediate_size = inner;
  model.num_hidden_layers = layers;
  model.num_attention_heads = heads;
  model.num_key_value_heads = kv_heads;
  model.head_dim = head_dim;
  model.tie_word_embeddings = tied;
  return model;
}

std::vector<NamedModel> Models() {
  return {{"0.5B", Model(151936, 896, 4864, 24, 14, 2, 64, true)},
          {"8B", Model(128256, 4096, 14336, 32, 32, 8, 128, false)},
          {"70B", Model(128256, 8192, 28672, 80, 64, 8, 128, false)}};
}

// Nine tenths of the memory; fp32 products and memory at 60 % of their peaks.
std::vector<Machine> Machines() {
  return {{"GPU 80 GB", 72'000'000'000, 40e12, 2.0e12},
          {"GPU 141 GB", 127'000'000'000, 40e12, 2.9e12},
          {"CPU 2 TB", 1'800'000'000'000, 3e12, 0.3e12}};
}

std::string Gigabytes(uint64_t bytes) {
  return absl::StrFormat("%.1f GB", static_cast<double>(bytes) / 1e9);
}

std::string Seconds(const RunSizing& sizing) {
  return sizing.ranks > 0 ? absl::StrFormat("%.0f s", sizing.train_seconds)
                          : "-";
}

std::string Ranks(const RunSizing& sizing) {
  return sizing.ranks > 0 ? absl::StrCat(sizing.ranks) : "none fits";
}

std::string Workers(const RunSizing& sizing) {
  if (!sizing.worker_fits) return "none fits";
  return sizing.workers > 0 ? absl::StrCat(sizing.workers) : "-";
}

}  // namespace

void PrintPlan() {
  const char* kRow = "%-6s %-11s %-10s %-10s %-8s %-10s %-10s %-9s %s\n";
  std::printf(kRow, "model", "machine", "ranks", "a rank", "a step", "workers",
              "a worker", "a push", "an exchange");
  for (const NamedModel& model : Models()) {
    for (const Machine& machine : Machines()) {
      const RunSizing sizing = SizeRun(model.config, kRun, machine);
      std::printf(kRow, model.name, machine.name.c_str(), Ranks(sizing).c_str(),
                  Gigabytes(sizing.rank_bytes).c_str(), Seconds(sizing).c_str(),
                  Workers(sizing).c_str(),
                  Gigabytes(sizing.worker_bytes).c_str(),
                  Gigabytes(sizing.push_bytes).c_str(),
                  Gigabytes(sizing.exchange_bytes).c_str());
    }
  }
}

}  // namespace operant::cli
