#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/config.h"
#include "common/base/config_limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Overrides = std::vector<std::string>;

const Overrides& BaseOf(ConfigUse use) {
  static const auto& train = *new Overrides{
      "model.path=/m", "data.prompts=p.jsonl", "learner.steps=10"};
  static const auto& sft =
      *new Overrides{"model.init=random", "data.sft=s.jsonl", "sft.out=/o"};
  static const auto& eval =
      *new Overrides{"model.path=/m", "data.eval_prompts=e.jsonl"};
  static const auto& rm =
      *new Overrides{"model.path=/m", "data.preferences=p.jsonl", "rm.out=/o"};
  static const auto& none = *new Overrides;
  switch (use) {
    case ConfigUse::kTrain:
      return train;
    case ConfigUse::kSft:
      return sft;
    case ConfigUse::kEval:
      return eval;
    case ConfigUse::kRm:
      return rm;
    default:
      return none;
  }
}

v1::RunConfig Resolved(const Overrides& overrides) {
  auto config = LoadConfig({}, overrides);
  EXPECT_TRUE(config.ok()) << config.status();
  ResolveDefaults(*config);
  return *config;
}

absl::Status Check(ConfigUse use, const Overrides& changes) {
  Overrides overrides = BaseOf(use);
  overrides.insert(overrides.end(), changes.begin(), changes.end());
  return ValidateConfig(Resolved(overrides), use);
}

// The message of an expected InvalidArgument.
std::string Faults(ConfigUse use, const Overrides& changes) {
  const absl::Status status = Check(use, changes);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument)
      << testing::PrintToString(changes);
  return std::string(status.message());
}

TEST(ConfigDefaultsTest, AreThoseOfTheSchema) {
  const v1::RunConfig config = Resolved({});
  EXPECT_EQ(config.run().name(), "run");
  EXPECT_EQ(config.run().seed(), 1u);
  EXPECT_EQ(config.rollout().workers(), 1u);
  EXPECT_EQ(config.rollout().queue_samples(), 65536u);
  EXPECT_EQ(config.reward().on_error(), "fail");
  EXPECT_EQ(config.reward().max_abs_score(), 1e6);
  EXPECT_EQ(config.learner().minibatch_samples(), 512u);
  EXPECT_EQ(config.ppo().kl_coefficient(), 0.02);
  EXPECT_EQ(config.ppo().clip_high(), 0.28);
  EXPECT_EQ(config.ppo().ratio_tolerance(), 1e-3);
  EXPECT_EQ(config.eval().seed(), 20000u);
  EXPECT_EQ(config.sft().adam_beta2(), 0.95);
  EXPECT_EQ(config.log().samples_every_steps(), 10u);
  EXPECT_EQ(config.model().hidden_size(), 0u) << "the folder tells";
  EXPECT_EQ(config.tokenizer().path(), "");
}

TEST(ConfigDefaultsTest, SwitchesKeepTheirZeros) {
  const v1::RunConfig config =
      Resolved({"rollout.zero_workers=true", "ppo.no_kl=true"});
  EXPECT_EQ(config.rollout().workers(), 0u);
  EXPECT_EQ(config.ppo().kl_coefficient(), 0);
}

TEST(ConfigDefaultsTest, DerivedSizesFollowTheGivenOnes) {
  const v1::RunConfig config =
      Resolved({"model.init=random", "model.hidden_size=96",
                "model.num_attention_heads=6", "learner.prompts_per_step=3",
                "reward={deadline_ms: 7, endpoints: [a:1]}"});
  EXPECT_EQ(config.model().head_dim(), 16u);
  EXPECT_EQ(config.model().num_key_value_heads(), 6u);
  EXPECT_EQ(config.data().max_prompt_tokens(), 64u);
  EXPECT_EQ(config.learner().minibatch_samples(), 24u);
  EXPECT_EQ(config.reward().endpoints(0).name(), "a:1");
  EXPECT_EQ(config.reward().endpoints(0).weight(), 1);
  EXPECT_EQ(config.reward().endpoints(0).deadline_ms(), 7u);
}

TEST(ConfigDefaultsTest, AlertLimitsFollowTheRunsOwnLimits) {
  EXPECT_EQ(Resolved({}).alert().reference_kl(), 50);
  EXPECT_EQ(Resolved({"ppo.kl_target=6"}).alert().reference_kl(), 24);
  EXPECT_EQ(Resolved({"ppo.kl_target=6", "stop.max_reference_kl=30"})
                .alert()
                .reference_kl(),
            15);
  EXPECT_EQ(Resolved({"learner.staleness=1"}).alert().weight_lag_versions(),
            3u);
}

TEST(ConfigValidateTest, TheLeastOfEachVerbPasses) {
  for (const ConfigUse use :
       {ConfigUse::kTrain, ConfigUse::kSft, ConfigUse::kRollout,
        ConfigUse::kReward, ConfigUse::kEval}) {
    EXPECT_EQ(Check(use, {}), absl::OkStatus());
  }
}

TEST(ConfigValidateTest, WhatAVerbNeedsIsRequired) {
  const absl::Status train = ValidateConfig(Resolved({}), ConfigUse::kTrain);
  EXPECT_THAT(std::string(train.message()),
              AllOf(HasSubstr("3 faults"), HasSubstr("model.path: value"),
                    HasSubstr("data.prompts: value"),
                    HasSubstr("learner.steps: value")));
  const absl::Status sft = ValidateConfig(Resolved({}), ConfigUse::kSft);
  EXPECT_THAT(std::string(sft.message()),
              AllOf(HasSubstr("data.sft"), HasSubstr("sft.out"),
                    HasSubstr("model.init=random")));
  const absl::Status eval = ValidateConfig(Resolved({}), ConfigUse::kEval);
  EXPECT_THAT(std::string(eval.message()),
              AllOf(HasSubstr("model.path"), HasSubstr("data.eval_prompts")));
}

TEST(ConfigValidateTest, MaxSecondsStandsInForSteps) {
  EXPECT_EQ(
      Check(ConfigUse::kTrain, {"learner.steps=~", "learner.max_seconds=60"}),
      absl::OkStatus());
}

struct Refusal {
  const char* change;
  const char* expected;
};

TEST(ConfigValidateTest, TrainingRefuses) {
  const Refusal table[] = {
      {"rollout.top_p=0.9", "rollout.top_p: value 0.9, expected 1 for train"},
      {"rollout.top_k=5", "rollout.top_k: value 5"},
      {"rollout.temperature=-1", "rollout.temperature: value -1"},
      {"model.init=random", "run operant sft first"},
      {"data.max_prompt_tokens=9000", "= 9064; raise it"},
      {"rollout.max_response_tokens=8193", "= 8193; raise it"},
  };
  for (const auto& [change, expected] : table) {
    EXPECT_THAT(Faults(ConfigUse::kTrain, {change}), HasSubstr(expected));
  }
}

TEST(ConfigValidateTest, ADeterministicRunDoesNotEndByTheClock) {
  EXPECT_THAT(Faults(ConfigUse::kTrain,
                     {"run.deterministic=true", "learner.max_seconds=9"}),
              HasSubstr("learner.max_seconds: value 9, expected no value"));
}

TEST(ConfigValidateTest, FiltersAreFineOutsideTraining) {
  EXPECT_EQ(Check(ConfigUse::kRollout, {"rollout.top_p=0.9"}),
            absl::OkStatus());
  EXPECT_EQ(Check(ConfigUse::kTrain, {"eval.top_p=0.9", "eval.top_k=5"}),
            absl::OkStatus());
}

TEST(ConfigValidateTest, TheRatiosToleranceFollowsTheLearnersType) {
  const auto tolerance = [](const std::vector<std::string>& overrides) {
    v1::RunConfig config = LoadConfig({}, overrides).value();
    ResolveDefaults(config);
    return config.ppo().ratio_tolerance();
  };
  EXPECT_EQ(tolerance({"learner.dtype=bf16"}), 0.2);
  EXPECT_EQ(tolerance({"learner.dtype=fp32"}), 1e-3);
  EXPECT_EQ(tolerance({"learner.dtype=bf16", "ppo.ratio_tolerance=0.01"}),
            0.01);
}

TEST(ConfigValidateTest, EveryVerbRefuses) {
  const Refusal table[] = {
      {"run.name=../x", "run.name: value ../x"},
      {"run.name=.x", "run.name"},
      {"model.init=randon", "did you mean \"random\"?"},
      {"data.overlong=cut", "error or drop or left or right"},
      {"rollout.device=gpu", "auto or cpu or cuda"},
      {"learner.dtype=fp16",
       "learner.dtype: value fp16, expected fp32 or bf16"},
      {"learner.recompute=all", "value all, expected none or layer"},
      {"learner.staleness=65", "a number in [0, 64]"},
      {"learner.listen=everywhere", "learner.listen"},
      {"ppo.gamma=1.5", "ppo.gamma: value 1.5, expected a number in (0, 1]"},
      {"ppo.lambda=-0.1", "ppo.lambda"},
      {"ppo.dual_clip=1", "a number in (1, inf)"},
      {"ppo.clip_low=1", "a number in (0, 1)"},
      {"ppo.train_fraction=1.01", "ppo.train_fraction"},
      {"ppo={no_kl: true, kl_target: 1}", "ppo.kl_target"},
      {"ppo={no_kl: true, kl_coefficient: 1}", "ppo.kl_coefficient"},
      {"rollout={zero_workers: true, workers: 2}", "rollout.workers: value 2"},
      {"rollout.workers=300", "at most rollout.max_workers=256"},
      {"rollout.heartbeat_timeout_ms=500", "heartbeat_interval_ms=500"},
      {"reward.on_error='value:'", "reward.on_error"},
      {"reward.on_error=value:nan", "reward.on_error"},
      {"reward.on_error=ignore", "reward.on_error"},
      {"reward.scorer=regex", "set reward.pattern"},
      {"reward.endpoints=[{name: x}]", "reward.endpoints[0].address"},
      {"reward.endpoints=['a:0']", "reward.endpoints[0].address"},
      {"reward.endpoints=['a:1', 'a:1']", "reward.endpoints[1].name"},
      {"reward.endpoints=[{command: [a], address: 'b:1'}]",
       "a loopback address"},
      {"reward.endpoints=[{command: ['']}]", "reward.endpoints[0].command[0]"},
      {"reward.endpoints=[{address: 'a:1', tls: mutual}]",
       "reward.endpoints[0].tls: value mutual"},
      {"reward.endpoints=[{address: 'a:1', tls_ca: ca.crt}]",
       "reward.endpoints[0].tls_ca"},
      {"reward.endpoints=[{command: [x/a]}, {command: [a]}]",
       "reward.endpoints[1].name"},
      {"reward.endpoints=[{address: 'a:1', max_inflight: 65}]",
       "reward.endpoints[0].max_inflight"},
      {"reward.endpoints=[{address: 'a:1', component_weights: [{}]}]",
       "reward.endpoints[0].component_weights[0].component"},
      {"reward.endpoints=[{address: 'a:1', component_weights: [{component: x}, "
       "{component: x}]}]",
       "reward.endpoints[0].component_weights[1].component"},
      {"reward.breaker_failures=1001", "reward.breaker_failures"},
      {"learner={prompts_per_step: 1000000, samples_per_prompt: 17}",
       "of at most 16777216"},
      {"stop.min_score=1", "stop.has_min_score"},
      {"checkpoint.keep=1", "checkpoint.keep: value 1, expected a number in"},
      {"run.failure_window_ms=1", "run.failure_window_ms"},
  };
  for (const auto& [change, expected] : table) {
    EXPECT_THAT(Faults(ConfigUse::kRollout, {change}), HasSubstr(expected));
  }
}

TEST(ConfigValidateTest, EveryVerbAllows) {
  const char* table[] = {
      "reward.on_error=value:-1.5",
      "reward.on_error=drop",
      "reward.endpoints=['dns:///rewards:50061', '[::1]:2']",
      "reward.endpoints=[{command: [python3, r.py]}]",
      "reward.endpoints=[{command: [r], address: '127.0.0.1:0'}]",
      "reward.endpoints=[{address: 'a:1', component_weights: [{component: "
      "x}]}]",
      "reward={scorer: regex, pattern: a+}",
      "rollout.zero_workers=true",
      "ppo.kl_target=5",
      "ppo.no_kl=true",
      "stop={min_score: -1, has_min_score: true}",
  };
  for (const char* change : table) {
    EXPECT_EQ(Check(ConfigUse::kRollout, {change}), absl::OkStatus()) << change;
  }
}

TEST(ConfigValidateTest, AMinibatchThatDoesNotDivideNamesTheNearest) {
  EXPECT_THAT(Faults(ConfigUse::kTrain, {"learner.minibatch_samples=100"}),
              AllOf(HasSubstr("learner.prompts_per_step * "
                              "learner.samples_per_prompt = 512"),
                    HasSubstr("nearest are 64 and 128")));
  EXPECT_THAT(Faults(ConfigUse::kTrain, {"learner.minibatch_samples=1000"}),
              HasSubstr("nearest is 512"));
  EXPECT_EQ(Check(ConfigUse::kTrain, {"learner.minibatch_samples=128"}),
            absl::OkStatus());
  v1::RunConfig unresolved = Resolved({});
  unresolved.mutable_learner()->set_minibatch_samples(0);
  EXPECT_THAT(
      std::string(ValidateConfig(unresolved, ConfigUse::kRollout).message()),
      HasSubstr("nearest is 1"));
}

TEST(ConfigValidateTest, SizesOfARandomModelMustFit) {
  const Refusal table[] = {
      {"model.num_attention_heads=3", "nearest are 126 and 129"},
      {"model={init: random, hidden_size: 2, num_attention_heads: 3}",
       "nearest is 3"},
      {"model.num_key_value_heads=3", "a divisor of"},
      {"model.head_dim=31", "an even number"},
      {"model.num_hidden_layers=5000", "model.num_hidden_layers"},
  };
  for (const auto& [change, expected] : table) {
    EXPECT_THAT(Faults(ConfigUse::kSft, {change}), HasSubstr(expected));
  }
  EXPECT_EQ(Check(ConfigUse::kSft,
                  {"model.num_attention_heads=3", "model.head_dim=32"}),
            absl::OkStatus());
}

TEST(ConfigValidateTest, EachScorerNeedsItsSource) {
  const Refusal table[] = {
      {"reward.scorer=json-schema", "set reward.schema"},
      {"reward.scorer=ratings", "set reward.ratings"},
      {"reward.scorer=preference-model", "set reward.preference_model.path"},
      {"reward.scorer=judge", "set reward.judge.url"},
      {"reward.scorer=pairwise", "set reward.judge.url"},
      {"reward.scorer=matth", "did you mean \"math\"?"},
      {"reward.judge.min_score=10", "less than reward.judge.max_score=10"},
      {"reward.sandbox.kind=none", "bubblewrap or runtime-class"},
      {"reward.sandbox.memory_mb=1", "[32, 1048576]"},
  };
  for (const auto& [change, expected] : table) {
    EXPECT_THAT(Faults(ConfigUse::kReward, {change}), HasSubstr(expected));
  }
  EXPECT_EQ(Check(ConfigUse::kReward, {"reward.scorer=math"}),
            absl::OkStatus());
}

TEST(ConfigValidateTest, ARewardModelNeedsItsPairs) {
  EXPECT_EQ(Check(ConfigUse::kRm, {}), absl::OkStatus());
  EXPECT_THAT(Faults(ConfigUse::kRm, {"data.preferences=\"\""}),
              HasSubstr("data.preferences"));
  EXPECT_THAT(Faults(ConfigUse::kRm, {"rm.out=\"\""}), HasSubstr("rm.out"));
  EXPECT_THAT(Faults(ConfigUse::kRm,
                     {"rm.no_centering=true", "rm.center_coefficient=1"}),
              HasSubstr("rm.no_centering"));
}

TEST(ConfigValidateTest, CertificatesAndPlaintextExcludeEachOther) {
  const Overrides files = {"security.certificate=/c", "security.key=/k",
                           "security.ca=/a"};
  EXPECT_EQ(Check(ConfigUse::kReward, files), absl::OkStatus());
  EXPECT_EQ(Check(ConfigUse::kReward,
                  {"security.certs=/d", "security.token_file=/t"}),
            absl::OkStatus());
  const std::pair<Overrides, std::string> table[] = {
      {{"security.certs=/d", "security.plaintext=true"}, "plaintext"},
      {{"security.token_file=/t"}, "security.token_file"},
      {{"security.certificate=/c", "security.key=/k"}, "all three"},
      {{"security.trust_domain=Not a domain"}, "trust_domain"},
      {{"security.reload_seconds=100000"}, "reload_seconds"},
  };
  for (const auto& [changes, expected] : table) {
    EXPECT_THAT(Faults(ConfigUse::kReward, changes), HasSubstr(expected));
  }
}

TEST(ConfigValidateTest, ThePresetsAreValid) {
  for (const char* preset : {"own-model", "own-reward", "cluster"}) {
    auto config =
        LoadConfig({absl::StrCat("deploy/presets/", preset, ".yaml")}, {});
    ASSERT_TRUE(config.ok()) << config.status();
    ResolveDefaults(*config);
    EXPECT_EQ(ValidateConfig(*config, ConfigUse::kTrain), absl::OkStatus());
  }
}

TEST(ConfigValidateTest, AllFaultsAreReportedAtOnce) {
  EXPECT_THAT(Faults(ConfigUse::kTrain,
                     {"ppo.gamma=2", "ppo.lambda=2", "learner.staleness=99"}),
              AllOf(HasSubstr("3 faults"), HasSubstr("ppo.gamma"),
                    HasSubstr("ppo.lambda"), HasSubstr("learner.staleness")));
}

TEST(ConfigDefaultsTest, TheDeploySectionIsResolvedWhereItIsGiven) {
  EXPECT_FALSE(Resolved({}).has_deploy());
  const v1::RunConfig config = Resolved({"deploy.image=operant:1"});
  EXPECT_EQ(config.deploy().namespace_(), "operant");
  EXPECT_EQ(config.deploy().learner().memory(), "8Gi");
  EXPECT_EQ(config.deploy().network().gid_index(), 3u);
  EXPECT_EQ(config.deploy().slurm().signal_seconds(), 300u);
  EXPECT_EQ(config.deploy().program(), "/usr/local/bin/operant");
}

TEST(ConfigValidateTest, TheDeploySectionKeepsItsLimits) {
  EXPECT_EQ(Check(ConfigUse::kTrain, {"deploy.rollout.gpus=1"}),
            absl::OkStatus());
  for (const char* change :
       {"deploy.learner.gpus=2", "deploy.rollout.cpus=5000",
        "deploy.reward_replicas=65", "deploy.nodes=70000",
        "deploy.gpus_per_node=65", "deploy.elastic_workers=2000",
        "deploy.slurm.signal_seconds=5"}) {
    EXPECT_THAT(Faults(ConfigUse::kTrain, {change}), HasSubstr("deploy."));
  }
}

TEST(ConfigLimitsTest, IntervalsAreOpenOrClosed) {
  using internal::IntervalHolds;
  EXPECT_FALSE(IntervalHolds("(0, 1]", 0));
  EXPECT_TRUE(IntervalHolds("(0, 1]", 1));
  EXPECT_TRUE(IntervalHolds("[0, 1)", 0));
  EXPECT_FALSE(IntervalHolds("[0, 1)", 1));
  EXPECT_TRUE(IntervalHolds("[0, inf)", 1e300));
  EXPECT_FALSE(IntervalHolds("[0, inf)", -1));
}

}  // namespace
}  // namespace operant
