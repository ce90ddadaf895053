// What ranks cost and save in a PPO update: how much of the gradients' sums
// runs under the backward pass, and what of the optimiser's state each of n
// ranks holds. Two ranks, as threads of this process, of a model of 8 M
// parameters.
#include <torch/torch.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/report.h"
#include "common/base/status_macros.h"
#include "common/nn/causal_lm.h"
#include "learner/collective.h"
#include "learner/shared_optimizer.h"
#include "tests/testing/memory_rendezvous.h"

namespace operant::bench {
namespace {

using learner::Collective;
using learner::CollectiveOptions;
using learner::CreateCollective;
using learner::ExchangeSpan;
using learner::SharedOptimizer;

constexpr int kRepeats = 5;
constexpr int64_t kSequences = 8;
constexpr int64_t kLength = 128;

struct Interval {
  absl::Time begin, end;
};

ModelConfig BenchModel() {
  ModelConfig model;
  model.vocab_size = 4096;
  model.hidden_size = 256;
  model.intermediate_size = 768;
  model.num_hidden_layers = 8;
  model.num_attention_heads = 4;
  model.num_key_value_heads = 4;
  model.head_dim = 64;
  model.max_position_embeddings = kLength;
  model.tie_word_embeddings = true;
  return model;
}

// The gradients' sums and the backward pass of one update on one rank.
struct Observed {
  std::vector<Interval> sums;
  Interval backward;
  double state_bytes = 0;
};

class Rank {
 public:
  Rank(int rank, int ranks, SharedOptimizer::State state,
       learner::Rendezvous* meeting) {
    auto made =
        CreateCollective("auto", /*on_gpu=*/false,
                         {.rank = rank,
                          .size = ranks,
                          .rendezvous = meeting,
                          .group = "bench",
                          .observe = [this](const ExchangeSpan& span) {
                            if (span.what == "gradients")
                              observed_.sums.push_back({span.begin, span.end});
                          }});
    if (!made.ok()) std::abort();
    collective_ = *std::move(made);
    model_ = CausalLm::Create(BenchModel(), {});
    model_->InitRandom(1);
    optimizer_ = SharedOptimizer::Create({{model_->Parameters(), 1e-4}}, {},
                                         state, collective_.get());
    observed_.state_bytes =
        static_cast<double>(optimizer_->adamw().state_bytes());
  }

  Observed Step() {
    observed_.sums.clear();
    const TokenBatch batch = {
        at::randint(BenchModel().vocab_size, {kSequences, kLength}, at::kLong),
        at::full({kSequences}, kLength, at::kLong)};
    optimizer_->ZeroGradients();
    const at::Tensor hidden = model_->Hidden(batch);
    const at::Tensor loss =
        model_
            ->LogProbs(hidden, batch.tokens.view({-1}), /*temperature=*/1,
                       /*entropy_gradient=*/false)
            .first.mean();
    observed_.backward.begin = absl::Now();
    optimizer_->SumDuringBackward();
    loss.backward();
    observed_.backward.end = absl::Now();
    optimizer_->QueueSums();
    if (!optimizer_->Step(1).ok()) std::abort();
    return observed_;
  }

 private:
  Observed observed_;  // outlives the collective, which writes it
  std::unique_ptr<Collective> collective_;
  std::unique_ptr<CausalLm> model_;
  std::unique_ptr<SharedOptimizer> optimizer_;
};

// Share of the sums' time that lies within the backward pass.
double Overlap(const Observed& observed) {
  absl::Duration all, under;
  for (const Interval& sum : observed.sums) {
    all += sum.end - sum.begin;
    under += std::max(absl::ZeroDuration(),
                      std::min(sum.end, observed.backward.end) -
                          std::max(sum.begin, observed.backward.begin));
  }
  return absl::FDivDuration(under, all);
}

// One value of each repeat (after one to warm up), from rank 0.
std::vector<double> OnRanks(int ranks, SharedOptimizer::State state,
                            double (*figure)(const Observed&)) {
  std::vector<double> figures;
  testing_support::MemoryRendezvous meeting;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      Rank self(rank, ranks, state, &meeting);
      for (int i = 0; i <= kRepeats; ++i) {
        const Observed observed = self.Step();
        if (rank == 0 && i > 0) figures.push_back(figure(observed));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return figures;
}

double StateBytes(const Observed& observed) { return observed.state_bytes; }

absl::Status Run() {
  at::set_num_threads(1);
  Row overlap = MedianRow("overlap", "x",
                          OnRanks(2, SharedOptimizer::State::kWhole, Overlap));
  overlap.against = "all time in sums of gradients";
  overlap.note = "of it under the backward pass; 2 ranks, 8 M parameters";
  const double whole =
      OnRanks(1, SharedOptimizer::State::kWhole, StateBytes)[0];
  std::vector<Row> rows = {overlap};
  for (const int ranks : {2, 4}) {
    std::vector<double> shares =
        OnRanks(ranks, SharedOptimizer::State::kShared, StateBytes);
    for (double& share : shares) share *= ranks / whole;
    Row row = MedianRow(absl::StrCat("shard-memory-", ranks), "x", shares);
    row.against = "the whole optimiser state";
    row.note = absl::StrCat(ranks, " times what one rank holds");
    rows.push_back(row);
  }
  rows.push_back(rows.back());
  rows.back().name = "shard-memory";
  return Report("collective_update_bench", rows);
}

}  // namespace
}  // namespace operant::bench

int main() {
  const absl::Status status = operant::bench::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "collective_update_bench: %s\n",
               status.ToString().c_str());
  return 1;
}
