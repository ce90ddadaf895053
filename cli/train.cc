#include <memory>

#include "cli/config_flags.h"
#include "cli/doctor.h"
#include "cli/verbs.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "common/run/local_training.h"

namespace operant::cli {
namespace {

// The supervisor starts this same binary.
constexpr const char* kSelf = "/proc/self/exe";

constexpr const char* kFooter =
    "\nStarts a reward server (unless reward.endpoints names yours), the\n"
    "learner and rollout.workers workers as processes of this machine, and\n"
    "writes everything below run.root/run.name.\n"
    "\nExamples:\n"
    "  operant train -c deploy/configs/demo.yaml\n"
    "  operant train -c deploy/configs/own-model.yaml model.path=my-model \\\n"
    "      data.prompts=prompts.jsonl reward.endpoints=[127.0.0.1:50061]\n"
    "  operant train -c run.yaml --resume     go on after an interruption\n"
    "\nA process that fails is started again, the learner from its last\n"
    "checkpoint; run.max_failures times within run.failure_window_ms.\n"
    "\nCtrl-C once: finish the step, save, exit with 130. Twice: stop now.\n";

struct Flags {
  ConfigFlags config;
  bool resume = false;
  bool watch = false;
  bool dry_run = false;
};

absl::StatusOr<ExitCode> Train(const Flags& flags) {
  LocalTrainingOptions options{.program = kSelf,
                               .config = {},
                               .resume = flags.resume,
                               .watch = flags.watch};
  ASSIGN_OR_RETURN(options.config, LoadFor(flags.config, ConfigUse::kTrain));
  InitLoggingAs("train", 0, options.config.log());
  if (flags.dry_run) return Examine(options.config);
  InstallShutdownHandlers();
  return TrainLocally(options);
}

}  // namespace

void AddTrainVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand(
      "train", "Train on this machine: starts and supervises all processes");
  AddConfigFlags(*verb, flags->config);
  verb->add_flag("--dry-run", flags->dry_run,
                 "Say what would run, and whether it could (operant doctor)");
  verb->add_flag("--resume", flags->resume,
                 "Go on with the run of this name from its last checkpoint");
  verb->add_flag("--watch", flags->watch,
                 "Start a Prometheus on the run, with the alert rules loaded");
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Train(*flags); }; });
}

}  // namespace operant::cli
