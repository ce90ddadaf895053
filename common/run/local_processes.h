// The command lines of a local run's processes.
#ifndef OPERANT_COMMON_RUN_LOCAL_PROCESSES_H_
#define OPERANT_COMMON_RUN_LOCAL_PROCESSES_H_

#include <string>
#include <vector>

#include "common/run/child_process.h"
#include "common/run/gpu_plan.h"
#include "common/run/run_directory.h"
#include "operant/v1/config.pb.h"

namespace operant {

inline constexpr const char* kLearnerRole = "learner";
inline constexpr const char* kRewardRole = "reward";
inline constexpr const char* kAnyLoopbackPort = "127.0.0.1:0";

std::string RolloutRole(int index);  // rollout-0, ...
std::string RankRole(int rank);      // learner-1, ...; rank 0's is kLearnerRole

class LocalProcesses {
 public:
  // `program` is the `operant` binary. `config` and `run` must outlive it.
  LocalProcesses(std::string program, const v1::RunConfig& config,
                 const RunDirectory& run, GpuPlan gpus)
      : program_(std::move(program)),
        config_(config),
        run_(run),
        gpus_(std::move(gpus)) {}

  // The built-in reward server.
  ProcessSpec Reward(const std::string& listen) const;

  struct LearnerPlan {
    std::string listen = kAnyLoopbackPort;
    bool resume = false;
    std::string builtin_reward;  // its address; empty: the configuration's
  };
  // The learner's driver, rank 0.
  ProcessSpec Learner(const LearnerPlan& plan) const;
  // Its other ranks.
  std::vector<ProcessSpec> OtherRanks(const std::string& coordinator) const;

  ProcessSpec Rollout(int index, const std::string& coordinator) const;

  // Where a process says its addresses.
  std::string AnnouncePath(const std::string& role) const;

 private:
  // The command line of `operant VERB` that serves and announces itself, with
  // its share of the machine. `gpu` empty: whatever it finds.
  ProcessSpec Spec(const std::string& role, const std::string& verb,
                   std::vector<std::string> flags, int threads,
                   const std::string& gpu = "") const;

  const std::string program_;
  const v1::RunConfig& config_;
  const RunDirectory& run_;
  const GpuPlan gpus_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_LOCAL_PROCESSES_H_
