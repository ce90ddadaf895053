#include "common/nn/run_sizing.h"

#include "gtest/gtest.h"

namespace operant {
namespace {

// V=10 D=4 F=8 L=1 H=2 K=1 Dh=2, tied:
//   embeddings 40, norms 4 + 4 + 4, q 16, k 8, v 8, o 16, gate/up/down 96
//   = 196 parameters.
ModelConfig Tiny() {
  ModelConfig model;
  model.vocab_size = 10;
  model.hidden_size = 4;
  model.intermediate_size = 8;
  model.num_hidden_layers = 1;
  model.num_attention_heads = 2;
  model.num_key_value_heads = 1;
  model.head_dim = 2;
  model.max_position_embeddings = 16;
  model.tie_word_embeddings = true;
  return model;
}

constexpr SizedRun kRun = {.samples_per_step = 6,
                           .prompt_tokens = 2,
                           .response_tokens = 4,
                           .slots = 3,
                           .microbatch_tokens = 5};

TEST(RunSizingTest, ARankHoldsFourCopiesMomentsAndActivations) {
  // 4 copies x 4 bytes x 196 = 3136; activations 4 x 5 x (1 x 4 + 2 x (6 x 4 +
  // 2 x 2 + 3 x 8)) = 20 x 108 = 2160; moments 2 x 4 x 196 = 1568.
  EXPECT_EQ(RankBytes(Tiny(), kRun, 1), 3136u + 2160 + 1568);
  EXPECT_EQ(RankBytes(Tiny(), kRun, 4), 3136u + 2160 + 392);
}

TEST(RunSizingTest, AWorkerHoldsTwoVersionsAndTheKeysAndValuesOfAllSlots) {
  // 2 versions x 2 bytes x 196 = 784; 3 slots x 6 tokens x (2 x 1 x 1 x 2)
  // numbers x 4 bytes = 288.
  EXPECT_EQ(WorkerBytes(Tiny(), kRun), 784u + 288);
}

TEST(RunSizingTest, RanksAreTheFewestThatFit) {
  Machine machine = {.memory_bytes = 3136 + 2160 + 600,
                     .flops_per_second = 1000,
                     .bytes_per_second = 1000};
  const RunSizing sizing = SizeRun(Tiny(), kRun, machine);
  EXPECT_EQ(sizing.ranks, 3u);  // 1568 / 3 = 522.7, but 1568 / 2 = 784
  EXPECT_EQ(sizing.rank_bytes, 3136u + 2160 + 523);
  // Gradients there, parameters back: 2 x 4 bytes x 196.
  EXPECT_EQ(sizing.exchange_bytes, 1568u);
  EXPECT_EQ(sizing.push_bytes, 784u);
}

TEST(RunSizingTest, WorkersKeepPaceWithTheLearner) {
  // Training: 6 samples x 6 tokens x 12 x 196 = 84672 operations, at 1000 a
  // second 84.672 s. Sampling: 2 rounds x 4 passes x (392 of weights + 3 slots
  // x 4 positions x 16 of keys and values = 584) bytes = 4672, at 10 a second
  // 467.2 s: 5.52 times as long.
  const Machine machine = {.memory_bytes = 1 << 20,
                           .flops_per_second = 1000,
                           .bytes_per_second = 10};
  const RunSizing sizing = SizeRun(Tiny(), kRun, machine);
  EXPECT_DOUBLE_EQ(sizing.train_seconds, 84.672);
  EXPECT_EQ(sizing.workers, 6u);
}

TEST(RunSizingTest, WhatNoNumberOfRanksHoldsIsSaid) {
  const RunSizing sizing = SizeRun(
      Tiny(), kRun,
      {.memory_bytes = 5000, .flops_per_second = 1, .bytes_per_second = 1});
  EXPECT_EQ(sizing.ranks, 0u);
  EXPECT_EQ(sizing.unshared_bytes, 3136u + 2160);
  EXPECT_EQ(sizing.workers, 0u);
}

}  // namespace
}  // namespace operant
