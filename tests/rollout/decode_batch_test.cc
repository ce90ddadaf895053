#include "rollout/decode_batch.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/rollout/small_model.h"

namespace operant::rollout {
namespace {

constexpr int kSlots = 4;

// The real model, with what it is asked to do written down.
class RecordingModel : public InferenceModel {
 public:
  RecordingModel() : model_(Create(SmallModel(), {.slots = kSlots}).value()) {}

  absl::StatusOr<std::shared_ptr<const PackedWeights>> Pack(
      const WeightImage& weights) const override {
    return model_->Pack(weights);
  }
  void Use(std::shared_ptr<const PackedWeights> weights) override {
    model_->Use(std::move(weights));
  }
  absl::Status Forward(std::span<const SlotTokens> batch,
                       std::span<float> logits) override {
    for (const SlotTokens& entry : batch) {
      prompts_run += entry.position == 0 ? 1 : 0;
    }
    return model_->Forward(batch, logits);
  }
  void CopySlot(int from, int to, int positions) override {
    ++copies;
    model_->CopySlot(from, to, positions);
  }
  absl::Status Score(std::span<const SequenceTokens> sequences,
                     float temperature, const ValueHead* value_head,
                     std::vector<TokenScore>& out) override {
    return model_->Score(sequences, temperature, value_head, out);
  }
  const ModelConfig& config() const override { return model_->config(); }

  int prompts_run = 0;
  int copies = 0;

 private:
  std::unique_ptr<InferenceModel> model_;
};

class DecodeBatchTest : public testing::Test {
 protected:
  DecodeBatchTest()
      : batch_({&model_, kSlots, 96, "w"}), group_(MakeGroup({1, 2, 4}, 10)) {
    Use(1);
  }

  static std::shared_ptr<const SampleGroup> MakeGroup(
      std::vector<int32_t> prompt, int32_t tokens) {
    auto group = std::make_shared<SampleGroup>();
    group->prompt_token_ids = std::move(prompt);
    group->sampling.max_response_tokens = tokens;
    return group;
  }

  void Use(uint64_t version) {
    batch_.Use({version, absl::StrCat("digest", version),
                model_.Pack(SmallWeights(version)).value()});
  }

  std::shared_ptr<LiveSample> Admit(std::shared_ptr<const SampleGroup> group,
                                    uint32_t index) {
    auto sample = std::make_shared<LiveSample>();
    sample->request.group = std::move(group);
    sample->request.trajectory_id = absl::StrCat(index);
    sample->request.sample_index = index;
    sample->accepted = absl::Now();
    batch_.Admit(sample);
    return sample;
  }

  void Steps(int count) {
    for (int i = 0; i < count; ++i) batch_.Step(finished_);
  }

  RecordingModel model_;
  DecodeBatch batch_;
  const std::shared_ptr<const SampleGroup> group_;
  std::vector<FinishedSample> finished_;
};

TEST_F(DecodeBatchTest, ASwapMidwayStartsAnotherSpanOfTheSameSequence) {
  Admit(group_, 0);
  Steps(4);
  Use(2);
  Steps(5);
  EXPECT_TRUE(finished_.empty());
  Use(3);
  Steps(1);
  ASSERT_EQ(finished_.size(), 1u);
  const v1::Trajectory& t = finished_[0].trajectory;
  ASSERT_EQ(t.versions_size(), 3);
  EXPECT_EQ(t.versions(0).policy_version(), 1u);
  EXPECT_EQ(t.versions(0).tokens(), 4u);
  EXPECT_EQ(t.versions(1).policy_version(), 2u);
  EXPECT_EQ(t.versions(1).tokens(), 5u);
  EXPECT_EQ(t.versions(2).tokens(), 1u);
  EXPECT_EQ(t.weights_digest(), "digest3");
  EXPECT_EQ(t.finish(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(model_.prompts_run, 1);
}

TEST_F(DecodeBatchTest, AGroupRunsItsPromptOnce) {
  for (uint32_t i = 0; i < 3; ++i) Admit(group_, i);
  Steps(2);
  Admit(group_, 3);
  Steps(10);
  EXPECT_EQ(finished_.size(), 4u);
  EXPECT_EQ(model_.prompts_run, 1);
  EXPECT_EQ(model_.copies, 3);
}

TEST_F(DecodeBatchTest, AFreedSlotServesItsGroupWithoutACopy) {
  Admit(group_, 0);
  Steps(10);
  ASSERT_EQ(batch_.running(), 0);
  Admit(group_, 1);
  Steps(10);
  EXPECT_EQ(finished_.size(), 2u);
  EXPECT_EQ(model_.prompts_run, 1);
  EXPECT_EQ(model_.copies, 0);
}

TEST_F(DecodeBatchTest, ASwapMakesTheGroupRunItsPromptAgain) {
  Admit(group_, 0);
  Steps(2);
  Use(2);
  Admit(group_, 1);
  Admit(group_, 2);
  Steps(1);
  EXPECT_EQ(model_.prompts_run, 2);
  EXPECT_EQ(model_.copies, 1);
}

TEST_F(DecodeBatchTest, CancelledSamplesFreeTheirSlots) {
  const auto sample = Admit(group_, 0);
  Admit(group_, 1);
  Steps(3);
  sample->cancelled = true;
  batch_.Abort(DecodeBatch::Which::kCancelled, finished_);
  ASSERT_EQ(finished_.size(), 1u);
  EXPECT_EQ(finished_[0].trajectory.finish(), v1::FINISH_REASON_ABORTED);
  EXPECT_EQ(finished_[0].trajectory.response_token_ids_size(), 3);
  EXPECT_EQ(batch_.running(), 1);
  EXPECT_EQ(batch_.free_slots(), 3);
}

}  // namespace
}  // namespace operant::rollout
