#include "common/run/local_processes.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"

namespace operant {

std::string RolloutRole(int index) { return absl::StrCat("rollout-", index); }

std::string RankRole(int rank) { return absl::StrCat(kLearnerRole, "-", rank); }

std::string LocalProcesses::AnnouncePath(const std::string& role) const {
  return JoinPath(run_.path(), absl::StrCat("logs/", role, ".address"));
}

ProcessSpec LocalProcesses::Spec(const std::string& role,
                                 const std::string& verb,
                                 std::vector<std::string> flags, int threads,
                                 const std::string& gpu) const {
  std::vector<std::string> args = {program_,     verb,
                                   "--config",   run_.config_path(),
                                   "--announce", AnnouncePath(role)};
  args.insert(args.end(), flags.begin(), flags.end());
  std::vector<std::string> environment = {
      absl::StrCat("OMP_NUM_THREADS=", threads)};
  if (!gpu.empty())
    environment.push_back(absl::StrCat("CUDA_VISIBLE_DEVICES=", gpu));
  return {.role = role,
          .args = std::move(args),
          .environment = std::move(environment),
          .log_path = run_.log_path(role),
          .show_output = role == kLearnerRole};
}

ProcessSpec LocalProcesses::Reward(const std::string& listen) const {
  return Spec(kRewardRole, "reward", {"--listen", listen},
              config_.reward().threads());
}

ProcessSpec LocalProcesses::Learner(const LearnerPlan& plan) const {
  std::vector<std::string> flags = {"--listen", plan.listen};
  if (plan.resume) flags.push_back("--resume");
  if (!plan.builtin_reward.empty()) {
    flags.push_back(absl::StrCat("reward.endpoints=[{name: builtin, address: '",
                                 plan.builtin_reward, "'}]"));
  }
  return Spec(kLearnerRole, "learner", std::move(flags),
              config_.learner().threads(), gpus_.ranks.at(0));
}

std::vector<ProcessSpec> LocalProcesses::OtherRanks(
    const std::string& coordinator) const {
  std::vector<ProcessSpec> ranks;
  for (uint32_t rank = 1; rank < config_.learner().ranks(); ++rank) {
    ranks.push_back(Spec(
        RankRole(static_cast<int>(rank)), "learner",
        {"--rank", absl::StrCat(rank), "--coordinator", coordinator},
        static_cast<int>(config_.learner().threads()), gpus_.ranks.at(rank)));
  }
  return ranks;
}

ProcessSpec LocalProcesses::Rollout(int index,
                                    const std::string& coordinator) const {
  const std::string role = RolloutRole(index);
  return Spec(role, "rollout",
              {"--coordinator", coordinator, "--id", role, "--rank",
               absl::StrCat(index)},
              config_.rollout().threads(), gpus_.workers.at(index));
}

}  // namespace operant
