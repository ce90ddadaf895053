#include "common/deploy/deploy_checks.h"

#include <fstream>
#include <string>
#include <vector>

#include "common/base/config.h"
#include "common/deploy/render.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant::deploy {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRun[] = R"(
run: {name: math, root: /data/runs}
model: {path: /data/model}
data: {prompts: /data/prompts.jsonl}
reward: {scorer: length}
learner: {steps: 3}
rollout: {workers: 2}
security: {certs: /etc/certs}
deploy:
  image: registry.example/operant:1
  tls_secret: math-tls
  volumes:
    - {name: data, mount_path: /data, host_path: /srv/data}
  slurm: {partition: gpu}
)";

v1::RunConfig Config(const std::vector<std::string>& overrides) {
  const std::string path = testing::TempDir() + "operant_deploy_run.yaml";
  std::ofstream(path) << kRun;
  auto config = LoadConfig({path}, overrides);
  EXPECT_TRUE(config.ok()) << config.status();
  ResolveDefaults(*config);
  return *config;
}

std::string Faults(const std::vector<std::string>& overrides, Target target) {
  const auto files = RenderDeployment(Config(overrides), target);
  return std::string(files.status().message());
}

TEST(DeployChecksTest, AWholeConfigurationRendersForEveryTarget) {
  for (const Target target :
       {Target::kK8s, Target::kSlurm, Target::kCompose, Target::kSystemd}) {
    EXPECT_EQ(Faults({}, target), "");
  }
}

TEST(DeployChecksTest, WhatCannotRunThereIsRefusedByKey) {
  struct Row {
    std::vector<std::string> overrides;
    Target target;
    const char* key;
    const char* text;
  };
  const std::string volume = "deploy.volumes=[{name: data, mount_path: /data, ";
  const Row table[] = {
      {{"deploy.learner.gpus=1", "deploy.rollout.gpus=1",
        "deploy.gpus_per_node=2"},
       Target::kK8s,
       "learner.ranks",
       "no more than 2 GPUs"},
      {{"deploy.rollout.gpus=1", "deploy.elastic_workers=9"},
       Target::kK8s,
       "learner.ranks",
       "9 rollout"},
      {{"learner.device=cuda"}, Target::kSlurm, "deploy.learner.gpus", "cuda"},
      {{volume + "size: 9Gi}]"},
       Target::kK8s,
       "deploy.volumes[0].storage_class",
       "storage class"},
      {{volume + "size: big, storage_class: x}]"},
       Target::kK8s,
       "deploy.volumes[0].size",
       "Gi"},
      {{volume + "claim: a, host_path: /b}]"},
       Target::kK8s,
       "deploy.volumes[0].claim",
       "exactly one"},
      {{volume + "claim: a}]"},
       Target::kCompose,
       "deploy.volumes[0].host_path",
       "compose has no claims"},
      {{volume + "claim: a, fetch_image: i}]"},
       Target::kK8s,
       "deploy.volumes[0].fetch_command",
       "fills"},
      {{volume + "host_path: /a, fetch_image: i, fetch_command: [x]}]"},
       Target::kCompose,
       "deploy.volumes[0].fetch_image",
       "only Kubernetes"},
      {{volume + "host_path: /a, read_only: true}]"},
       Target::kK8s,
       "run.root",
       "read_only"},
      {{"security.certs=", "security.plaintext=true"},
       Target::kK8s,
       "security.plaintext",
       "off loopback"},
      {{"security.certs=", "security.plaintext=true"},
       Target::kSlurm,
       "security.plaintext",
       "off loopback"},
      {{"security.certs="}, Target::kSlurm, "security.certs", "operant certs"},
      {{"model.path=/elsewhere/model"},
       Target::kK8s,
       "model.path",
       "deploy.volumes"},
      {{"model.path=/data2/model"},
       Target::kK8s,
       "model.path",
       "deploy.volumes"},
      {{"data.prompts=prompts.jsonl"},
       Target::kSystemd,
       "data.prompts",
       "absolute"},
      {{"deploy.queue=team"}, Target::kK8s, "deploy.cluster_queue", "quota"},
      {{"deploy.image="}, Target::kK8s, "deploy.image", "image"},
      {{"deploy.image="}, Target::kCompose, "deploy.image", "image"},
      {{"deploy.tls_secret="}, Target::kK8s, "deploy.tls_secret", "Secrets"},
      {{"run.name=Math.1"}, Target::kK8s, "run.name", "Pods"},
      {{"deploy.overlay=gpu"}, Target::kK8s, "deploy.overlay", "dev-cpu"},
      {{"deploy.overlay=dev-cpu", "deploy.rollout.gpus=1"},
       Target::kK8s,
       "deploy.overlay",
       "for GPUs"},
      {{"deploy.overlay=multi-node-rdma", "deploy.learner.gpus=1"},
       Target::kK8s,
       "deploy.overlay",
       "spans machines"},
      {{"deploy.nodes=2", "deploy.rollout.gpus=1"},
       Target::kK8s,
       "deploy.overlay",
       "deploy.learner.gpus=1"},
      {{"deploy.overlay=single-node", "deploy.nodes=2",
        "deploy.gpus_per_node=2", "deploy.learner.gpus=1",
        "deploy.rollout.gpus=1"},
       Target::kK8s,
       "deploy.overlay",
       "than one node has"},
      {{"deploy.elastic_workers=2"},
       Target::kK8s,
       "deploy.elastic_workers",
       "more than rollout.workers=2"},
      {{"deploy.slurm.partition="},
       Target::kSlurm,
       "deploy.slurm.partition",
       "partition"},
      {{"deploy.slurm.time_limit=tomorrow"},
       Target::kSlurm,
       "deploy.slurm.time_limit",
       "HH:MM:SS"},
      {{"deploy.nodes=2"}, Target::kCompose, "deploy.nodes", "one machine"},
      {{"deploy.reward_replicas=2"},
       Target::kSlurm,
       "deploy.reward_replicas",
       "spreads"},
      {{"deploy.learner.memory=8GB"},
       Target::kK8s,
       "deploy.learner.memory",
       "64Gi"},
      {{"deploy.reward.shared_memory=9Gi"},
       Target::kK8s,
       "deploy.reward.shared_memory",
       "at most"},
      {{"deploy.rollout.node_selector=[gpu]"},
       Target::kK8s,
       "deploy.rollout.node_selector",
       "key=value"},
      {{"reward.endpoints=[127.0.0.1:5000]"},
       Target::kK8s,
       "reward.endpoints[0].address",
       "other machines"},
      {{"reward.endpoints=[{command: [python3, r.py]}]"},
       Target::kK8s,
       "reward.endpoints[0].command",
       "operant train"},
      {{"reward.endpoints=[{address: 'scores:5000', tls: none}]"},
       Target::kK8s,
       "reward.endpoints[0].tls",
       "off loopback"},
      {{"reward.endpoints=[{address: 'scores:5000', tls: none}]"},
       Target::kSlurm,
       "reward.endpoints[0].tls",
       "off loopback"},
      {{"reward.endpoints=['scores:5000']",
        "security.certs=", "security.plaintext=true"},
       Target::kSystemd,
       "reward.endpoints[0].tls",
       "off loopback"},
      {{"security.certs="}, Target::kSystemd, "security.certs", "loopback"},
      {{"reward.scorer=code"},
       Target::kK8s,
       "reward.sandbox.kind",
       "runtime-class"},
      {{"reward.scorer=code"},
       Target::kK8s,
       "deploy.reward_runtime_class",
       "gvisor"},
  };
  for (const Row& row : table) {
    const std::string faults = Faults(row.overrides, row.target);
    EXPECT_THAT(faults, HasSubstr(std::string(row.key) + ": value "));
    EXPECT_THAT(faults, HasSubstr(row.text));
  }
}

TEST(DeployChecksTest, AllFaultsAreToldAtOnce) {
  const std::string faults =
      Faults({"deploy.image=", "deploy.queue=q"}, Target::kK8s);
  EXPECT_THAT(faults, HasSubstr("deploy.image"));
  EXPECT_THAT(faults, HasSubstr("deploy.cluster_queue"));
}

TEST(DeployChecksTest, ARunWithoutADeploySectionIsRefused) {
  v1::RunConfig config = Config({});
  config.clear_deploy();
  const auto files = RenderDeployment(config, Target::kSystemd);
  EXPECT_EQ(files.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(RenderTest, RewardServersSeeNeitherDataNorToken) {
  const auto files = RenderDeployment(
      Config({"security.token_file=/etc/certs/token"}), Target::kK8s);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(files->at("base/config/learner.yaml"), HasSubstr("tls/token"));
  EXPECT_THAT(files->at("base/config/rollout.yaml"), HasSubstr("tls/token"));
  const std::string& reward = files->at("base/config/reward.yaml");
  EXPECT_THAT(reward, Not(HasSubstr("token_file")));
  EXPECT_THAT(reward, Not(HasSubstr("/data")));
}

TEST(RenderTest, ARewardServerOnSlurmHasNodesOfItsOwnOnlyWithGpus) {
  const auto shared = RenderDeployment(Config({}), Target::kSlurm);
  ASSERT_TRUE(shared.ok()) << shared.status();
  EXPECT_THAT(shared->at("run.sbatch"), Not(HasSubstr("--het-group=2")));
  // 2 CPUs of the learner, 2 of the server.
  EXPECT_THAT(shared->at("run.sbatch"), HasSubstr("--cpus-per-task=4"));
  const auto own =
      RenderDeployment(Config({"deploy.reward.gpus=1"}), Target::kSlurm);
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_THAT(own->at("run.sbatch"), HasSubstr("--het-group=2"));
}

TEST(RenderTest, EachRolesFileIsAConfiguration) {
  for (const Target target :
       {Target::kK8s, Target::kSlurm, Target::kCompose, Target::kSystemd}) {
    const auto files = RenderDeployment(Config({}), target);
    ASSERT_TRUE(files.ok()) << files.status();
    const std::string folder =
        target == Target::kK8s ? "base/config/" : "config/";
    for (const auto& [role, use] : {std::pair{"learner", ConfigUse::kTrain},
                                    std::pair{"rollout", ConfigUse::kRollout},
                                    std::pair{"reward", ConfigUse::kReward}}) {
      const std::string path = testing::TempDir() + "operant_role.yaml";
      std::ofstream(path) << files->at(folder + role + ".yaml");
      auto config = LoadConfig({path}, {});
      ASSERT_TRUE(config.ok()) << config.status();
      ResolveDefaults(*config);
      EXPECT_TRUE(ValidateConfig(*config, use).ok())
          << role << ValidateConfig(*config, use);
    }
  }
}

}  // namespace
}  // namespace operant::deploy
