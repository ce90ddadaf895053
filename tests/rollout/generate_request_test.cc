#include "rollout/generate_request.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant::rollout {
namespace {

using ::testing::ElementsAre;

v1::GenerateRequest Request() {
  v1::GenerateRequest request;
  request.set_run_seed(9);
  request.mutable_sampling()->set_temperature(0.5f);
  request.mutable_sampling()->set_max_response_tokens(8);
  request.mutable_sampling()->add_stop_token_ids(2);
  v1::PromptRequest& prompt = *request.add_prompts();
  prompt.set_group_id("g");
  prompt.set_prompt_cursor(4);
  prompt.add_prompt_token_ids(3);
  prompt.add_sample_indices(0);
  prompt.add_sample_indices(2);
  prompt.add_trajectory_ids("t0");
  prompt.add_trajectory_ids("t2");
  return request;
}

TEST(GenerateRequestTest, SplitsPromptsIntoSamplesOfOneGroup) {
  const auto samples = ParseGenerateRequest(Request());
  ASSERT_EQ(samples.status(), absl::OkStatus());
  ASSERT_EQ(samples->size(), 2u);
  EXPECT_EQ((*samples)[1].trajectory_id, "t2");
  EXPECT_EQ((*samples)[1].sample_index, 2u);
  EXPECT_EQ((*samples)[0].group, (*samples)[1].group);
  const SampleGroup& group = *(*samples)[0].group;
  EXPECT_EQ(group.run_seed, 9u);
  EXPECT_EQ(group.prompt_cursor, 4u);
  EXPECT_THAT(group.prompt_token_ids, ElementsAre(3));
  EXPECT_EQ(group.sampling.temperature, 0.5f);
  EXPECT_EQ(group.sampling.max_response_tokens, 8);
  EXPECT_THAT(group.sampling.stop_token_ids, ElementsAre(2));
}

TEST(GenerateRequestTest, ReadsTopPZeroAsOff) {
  EXPECT_EQ((*ParseGenerateRequest(Request()))[0].group->sampling.top_p, 1);
}

TEST(GenerateRequestTest, RefusesWhatBreaksTheContract) {
  auto code = [](void (*spoil)(v1::PromptRequest&)) {
    v1::GenerateRequest request = Request();
    spoil(*request.mutable_prompts(0));
    return ParseGenerateRequest(request).status().code();
  };
  using Prompt = v1::PromptRequest;
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(ParseGenerateRequest({}).status().code(), kInvalid);
  EXPECT_EQ(code([](Prompt& p) { p.clear_sample_indices(); }), kInvalid);
  EXPECT_EQ(code([](Prompt& p) { p.add_trajectory_ids("t3"); }), kInvalid);
  EXPECT_EQ(code([](Prompt& p) { p.set_sample_indices(1, 0); }), kInvalid);
  EXPECT_EQ(code([](Prompt& p) { p.set_trajectory_ids(1, ""); }), kInvalid);
  EXPECT_EQ(code([](Prompt& p) { p.set_trajectory_ids(1, "t0"); }), kInvalid);
}

}  // namespace
}  // namespace operant::rollout
