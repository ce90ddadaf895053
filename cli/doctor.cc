#include "cli/doctor.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/config_flags.h"
#include "cli/doctor_cluster.h"
#include "cli/doctor_plan.h"
#include "cli/verbs.h"
#include "common/base/status_macros.h"
#include "learner/preflight.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nModel, data, run directory, certificates, address, reward servers,\n"
    "memory and batch arithmetic; starts and writes nothing.\n"
    "\nExamples:\n"
    "  operant doctor -c run.yaml learner.prompts_per_step=128\n"
    "  operant doctor --plan\n"
    "  srun operant doctor --cluster --peer head:7070\n";

}  // namespace

ExitCode Examine(const v1::RunConfig& config) {
  ExitCode code = ExitCode::kDone;
  for (const learner::Check& check : learner::Preflight(config)) {
    const bool good = check.status.ok();
    const std::string text =
        good ? check.text
             : absl::StrCat(check.key, check.key.empty() ? "" : ": ",
                            check.status.message());
    std::printf("%-5s %-12s %s\n", good ? "ok" : "WRONG", check.name.c_str(),
                text.c_str());
    if (!good && code == ExitCode::kDone) code = ExitCodeFor(check.status);
  }
  return code;
}

namespace {

struct Flags {
  ConfigFlags config;
  bool plan = false;
  bool cluster = false;
  std::vector<std::string> peers;
};

absl::StatusOr<ExitCode> Doctor(const Flags& flags) {
  if (flags.plan) {
    PrintPlan();
    return ExitCode::kDone;
  }
  if (flags.cluster) {
    // Any role's file will do, or none.
    ASSIGN_OR_RETURN(const v1::RunConfig config,
                     LoadConfig(flags.config.files, flags.config.overrides));
    return ExamineCluster(config, flags.peers);
  }
  ASSIGN_OR_RETURN(const v1::RunConfig config,
                   LoadFor(flags.config, ConfigUse::kTrain));
  return Examine(config);
}

}  // namespace

void AddDoctorVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand(
      "doctor", "Find out whether a run could start, before it does");
  AddConfigFlags(*verb, flags->config);
  verb->add_flag("--plan", flags->plan,
                 "Say what models of 0.5 B, 8 B and 70 B need, and nothing "
                 "else (docs/sizing.md)");
  verb->add_flag(
      "--cluster", flags->cluster,
      "Say what a process of a job finds on its machine, and "
      "whether the configuration's reward servers and --peer answer");
  verb->add_option("--peer", flags->peers,
                   "With --cluster: another machine to dial; may be repeated")
      ->type_name("HOST:PORT")
      ->allow_extra_args(false);
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Doctor(*flags); }; });
}

}  // namespace operant::cli
