#include <array>
#include <cstdlib>
#include <memory>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/config_flags.h"
#include "cli/serving_flags.h"
#include "cli/verbs.h"
#include "common/base/address.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "learner/learner_process.h"
#include "learner/rank_process.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nThe driver of a run: workers join it, reward servers are its\n"
    "configuration's. `operant train` starts it for you on one machine.\n"
    "With learner.ranks=N it is N processes: rank 0 drives, the others "
    "compute\n"
    "their share of every step.\n"
    "\nExample:\n"
    "  operant learner -c run.yaml --listen 10.0.0.1:7070 \\\n"
    "      security.certs=certs reward.endpoints=[10.0.0.3:50061]\n";

struct Flags {
  ConfigFlags config;
  ServingFlags serving;
  bool resume = false;
  std::optional<int> rank;
  std::optional<int> world_size;
  std::string coordinator;
};

// What Slurm and Kubernetes tell each process of a job, where no flag does.
constexpr std::array kRankVariables = {"SLURM_PROCID", "JOB_COMPLETION_INDEX"};
constexpr const char* kWorldSizeVariable = "SLURM_NTASKS";

std::optional<int> NumberIn(const char* variable) {
  const char* text = std::getenv(variable);
  int number = 0;
  if (text == nullptr || !absl::SimpleAtoi(text, &number)) return std::nullopt;
  return number;
}

// The rank of this process. Errors: InvalidArgument names the flag or variable.
absl::StatusOr<int> RankOf(const Flags& flags, const v1::RunConfig& config) {
  const int ranks = static_cast<int>(config.learner().ranks());
  std::optional<int> rank = flags.rank;
  std::optional<int> world_size = flags.world_size;
  if (ranks > 1) {
    for (const char* variable : kRankVariables)
      if (!rank.has_value()) rank = NumberIn(variable);
    if (!world_size.has_value()) world_size = NumberIn(kWorldSizeVariable);
  }
  if (world_size.value_or(ranks) != ranks) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--world-size=", *world_size, ", expected learner.ranks = ", ranks,
        "; start as many processes as the configuration says"));
  }
  if (rank.value_or(0) < 0 || rank.value_or(0) >= ranks) {
    return absl::InvalidArgumentError(
        absl::StrCat("--rank=", *rank, ", expected 0..", ranks - 1,
                     " since learner.ranks = ", ranks));
  }
  if (rank.value_or(0) > 0 && flags.coordinator.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--rank=", *rank, " needs --coordinator, the address of rank 0"));
  }
  return rank.value_or(0);
}

// Ranks on other machines find no wildcard address.
absl::Status CheckReachable(const Flags& flags, const v1::RunConfig& config) {
  if (config.learner().ranks() == 1 || !flags.coordinator.empty())
    return absl::OkStatus();
  ASSIGN_OR_RETURN(const HostPort listen, ParseHostPort(flags.serving.listen));
  if (listen.host != "0.0.0.0" && listen.host != "::") return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--listen=", flags.serving.listen,
      " with learner.ranks = ", config.learner().ranks(),
      " needs --coordinator, the address at which the other ranks reach this "
      "one"));
}

absl::StatusOr<ExitCode> Learn(const Flags& flags) {
  learner::LearnerOptions options;
  ASSIGN_OR_RETURN(options.config, LoadFor(flags.config, ConfigUse::kTrain));
  options.listen = flags.serving.listen;
  options.http = flags.serving.http;
  options.announce_path = flags.serving.announce;
  options.resume = flags.resume;
  ASSIGN_OR_RETURN(const int rank, RankOf(flags, options.config));
  InitLoggingAs("learner", rank, options.config.log());
  ASSIGN_OR_RETURN(options.credentials,
                   Credentials::Load(options.config.security(),
                                     {.role = v1::ROLE_LEARNER,
                                      .run = options.config.run().name()}));
  InstallShutdownHandlers();
  if (rank > 0) {
    RETURN_IF_ERROR(learner::RunRank({.config = options.config,
                                      .rank = rank,
                                      .coordinator = flags.coordinator,
                                      .http = options.http,
                                      .announce_path = options.announce_path,
                                      .credentials = options.credentials}));
    return ExitCode::kDone;
  }
  RETURN_IF_ERROR(CheckReachable(flags, options.config));
  options.advertised = flags.coordinator;
  RETURN_IF_ERROR(learner::RunLearner(options));
  return ExitCode::kDone;
}

}  // namespace

void AddLearnerVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      app.add_subcommand("learner", "Run the learner of a distributed run");
  AddConfigFlags(*verb, flags->config);
  AddServingFlags(*verb, flags->serving);
  verb->add_flag("--resume", flags->resume,
                 "Go on from the run's last checkpoint");
  verb->add_option("--rank", flags->rank,
                   "Number of this process among learner.ranks; 0, the "
                   "default, drives the run (else SLURM_PROCID or "
                   "JOB_COMPLETION_INDEX)");
  verb->add_option("--world-size", flags->world_size,
                   "Number of processes, learner.ranks (else SLURM_NTASKS)");
  verb->add_option("--coordinator", flags->coordinator,
                   "host:port of rank 0's --listen as the others reach it");
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Learn(*flags); }; });
}

}  // namespace operant::cli
