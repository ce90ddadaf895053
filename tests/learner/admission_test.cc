#include "learner/admission.h"

#include <cmath>
#include <functional>
#include <limits>

#include "gtest/gtest.h"

namespace operant::learner {
namespace {

constexpr int32_t kEos = 9;
const std::vector<int32_t> kPrompt = {1, 2};

AdmissionRules Rules() {
  AdmissionRules rules;
  rules.min_policy_version = 4;
  rules.max_policy_version = 5;
  rules.vocab_size = 10;
  rules.sampling.add_stop_token_ids(kEos);
  return rules;
}

// Two tokens, the second of them the end, sampled by versions 4 and 5.
v1::Trajectory Good() {
  v1::Trajectory t;
  t.set_id("t");
  t.mutable_prompt_token_ids()->Assign(kPrompt.begin(), kPrompt.end());
  for (int32_t id : {3, kEos}) t.add_response_token_ids(id);
  for (float logprob : {-0.5f, 0.0f}) t.add_response_logprobs(logprob);
  t.set_finish(v1::FINISH_REASON_STOP);
  for (uint64_t version : {4, 5}) {
    v1::VersionSpan* span = t.add_versions();
    span->set_policy_version(version);
    span->set_tokens(1);
  }
  return t;
}

absl::StatusCode CodeAfter(const std::function<void(v1::Trajectory&)>& spoil) {
  v1::Trajectory t = Good();
  spoil(t);
  return Admit(t, kPrompt, Rules()).code();
}

TEST(AdmissionTest, AdmitsWhatWasAskedFor) {
  EXPECT_EQ(CodeAfter([](auto&) {}), absl::StatusCode::kOk);
}

TEST(AdmissionTest, RefusesLengthsThatDiffer) {
  EXPECT_EQ(CodeAfter([](auto& t) { t.add_response_logprobs(-1); }),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeAfter([](auto& t) { t.mutable_versions(0)->set_tokens(2); }),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeAfter([](auto& t) {
              t.clear_response_token_ids();
              t.clear_response_logprobs();
              t.clear_versions();
            }),
            absl::StatusCode::kInvalidArgument);
}

TEST(AdmissionTest, RefusesLogProbsThatAreNone) {
  for (float bad :
       {std::nanf(""), -std::numeric_limits<float>::infinity(), 0.1f}) {
    EXPECT_EQ(CodeAfter([&](auto& t) { t.set_response_logprobs(0, bad); }),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(AdmissionTest, RefusesForeignTokensAndPrompts) {
  EXPECT_EQ(CodeAfter([](auto& t) { t.set_response_token_ids(0, 10); }),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeAfter([](auto& t) { t.set_prompt_token_ids(0, 7); }),
            absl::StatusCode::kInvalidArgument);
}

TEST(AdmissionTest, RefusesAFinishThatDoesNotFitTheLastToken) {
  EXPECT_EQ(CodeAfter([](auto& t) { t.set_finish(v1::FINISH_REASON_LENGTH); }),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeAfter([](auto& t) { t.set_response_token_ids(1, 3); }),
            absl::StatusCode::kInvalidArgument);
}

TEST(AdmissionTest, RefusesVersionsOutsideTheBound) {
  EXPECT_EQ(
      CodeAfter([](auto& t) { t.mutable_versions(0)->set_policy_version(3); }),
      absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(
      CodeAfter([](auto& t) { t.mutable_versions(1)->set_policy_version(6); }),
      absl::StatusCode::kFailedPrecondition);
}

TEST(AdmissionTest, AnAbortedResponseIsToBeSampledAgain) {
  EXPECT_EQ(CodeAfter([](auto& t) { t.set_finish(v1::FINISH_REASON_ABORTED); }),
            absl::StatusCode::kAborted);
}

TEST(AdmissionTest, TheOldestVersionDecidesStaleness) {
  EXPECT_EQ(OldestVersion(Good()), 4u);
}

}  // namespace
}  // namespace operant::learner
