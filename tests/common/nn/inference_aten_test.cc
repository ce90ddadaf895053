// The LibTorch engine against the CPU engine, which has its own reference.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "common/nn/cuda_backend.h"
#include "common/nn/inference_model.h"
#include "gtest/gtest.h"
#include "tests/common/nn/reference_decoder.h"

namespace operant {
namespace {

class InferenceAtenTest : public testing::TestWithParam<ModelShape> {
 protected:
  InferenceAtenTest()
      : config_(OddModel(GetParam())),
        weights_(RandomWeights(config_, 7)),
        cpu_(MakeEngine({.slots = 4})),
        aten_(MakeEngine({.slots = 4, .force_aten = true})) {}

  std::unique_ptr<InferenceModel> MakeEngine(
      const InferenceModel::Options& options) const {
    auto engine = InferenceModel::Create(config_, options).value();
    engine->Use(engine->Pack(weights_).value());
    return engine;
  }

  // Runs a batch on both engines and compares the logits. Both round to fp32
  // at other places: inference_cpu_test's tolerance, twice.
  void ExpectEqualLogits(const std::vector<SlotTokens>& batch) {
    const size_t size = batch.size() * static_cast<size_t>(config_.vocab_size);
    std::vector<float> cpu(size);
    std::vector<float> aten(size);
    ASSERT_TRUE(cpu_->Forward(batch, cpu).ok());
    const absl::Status status = aten_->Forward(batch, aten);
    ASSERT_TRUE(status.ok()) << status;
    for (size_t i = 0; i < size; ++i) ASSERT_NEAR(cpu[i], aten[i], 1e-4) << i;
  }

  const ModelConfig config_;
  const WeightImage weights_;
  const std::unique_ptr<InferenceModel> cpu_;
  const std::unique_ptr<InferenceModel> aten_;
};

TEST_P(InferenceAtenTest, PrefillAndDecodeMixInOneCall) {
  const std::vector<int32_t> a = RandomTokens(config_, 23, 1);
  const std::vector<int32_t> b = RandomTokens(config_, 5, 2);
  const std::vector<int32_t> next = RandomTokens(config_, 2, 3);
  const std::span<const int32_t> steps = next;
  ExpectEqualLogits({{2, 0, a}, {0, 0, b}});
  ExpectEqualLogits(
      {{2, 23, steps.first(1)}, {1, 0, a}, {0, 5, steps.last(1)}});
  cpu_->CopySlot(2, 3, 24);
  aten_->CopySlot(2, 3, 24);
  ExpectEqualLogits({{3, 24, steps.last(1)}, {2, 24, steps.first(1)}});
}

TEST_P(InferenceAtenTest, ScoresAgree) {
  const std::vector<int32_t> a = RandomTokens(config_, 23, 1);
  const std::vector<int32_t> b = RandomTokens(config_, 9, 2);
  const std::vector<SequenceTokens> sequences = {{a, 3}, {b, 9}, {b, 1}};
  ValueHead head;
  head.weight.assign(static_cast<size_t>(config_.hidden_size), 0.1f);
  head.bias = -0.5f;
  std::vector<TokenScore> cpu;
  std::vector<TokenScore> aten;
  ASSERT_TRUE(cpu_->Score(sequences, 0.8f, &head, cpu).ok());
  const absl::Status status = aten_->Score(sequences, 0.8f, &head, aten);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(cpu.size(), aten.size());
  for (size_t i = 0; i < cpu.size(); ++i) {
    ASSERT_NEAR(cpu[i].logprob, aten[i].logprob, 1e-4);
    ASSERT_NEAR(cpu[i].entropy, aten[i].entropy, 1e-4);
    ASSERT_NEAR(cpu[i].value, aten[i].value, 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, InferenceAtenTest,
    testing::Values(
        ModelShape{},
        ModelShape{.heads = 3, .kv_heads = 3, .head_dim = 10, .tied = true},
        ModelShape{.heads = 6, .kv_heads = 1, .biases = true}));

TEST(InferenceAtenBf16Test, LogitsStayNearThoseOfFp32) {
  const ModelConfig config = OddModel({});
  const WeightImage weights = RandomWeights(config, 7);
  const std::vector<int32_t> tokens = RandomTokens(config, 12, 1);
  const SlotTokens entry = {0, 0, tokens};
  std::vector<std::vector<float>> logits(
      2, std::vector<float>(static_cast<size_t>(config.vocab_size)));
  for (const ComputeType compute : {ComputeType::kFp32, ComputeType::kBf16}) {
    auto engine =
        InferenceModel::Create(config, {.compute = compute, .slots = 1})
            .value();
    engine->Use(engine->Pack(weights).value());
    const bool bf16 = compute == ComputeType::kBf16;
    ASSERT_TRUE(engine->Forward({&entry, 1}, logits[bf16 ? 1 : 0]).ok());
  }
  double difference = 0;
  double size = 0;
  for (size_t i = 0; i < logits[0].size(); ++i) {
    difference += std::pow(logits[0][i] - logits[1][i], 2);
    size += std::pow(logits[0][i], 2);
  }
  // bf16 keeps 8 bits: a relative error of 2^-9 per rounding, over two layers.
  EXPECT_LT(std::sqrt(difference / size), 0.03);
}

TEST(ParseDeviceTest, KnowsItsNames) {
  EXPECT_TRUE(ParseDevice("cpu").value() == Device::kCpu);
  EXPECT_EQ(ParseDevice("tpu").status().code(),
            absl::StatusCode::kInvalidArgument);
  const auto cuda = ParseDevice("cuda");
  EXPECT_EQ(cuda.status().code(), CudaAvailable()
                                      ? absl::StatusCode::kOk
                                      : absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE((ParseDevice("auto").value() == Device::kCuda) ==
              CudaAvailable());
}

TEST(ParseDeviceTest, SaysWhatCudaLacks) {
  if (CudaAvailable()) GTEST_SKIP() << "CUDA lacks nothing here";
  const std::string said(ParseDevice("cuda").status().message());
  EXPECT_TRUE(said.find("libcuda.so.1") != said.npos ||
              said.find("libtorch_cuda.so") != said.npos ||
              said.find("find no device") != said.npos)
      << said;
}

}  // namespace
}  // namespace operant
