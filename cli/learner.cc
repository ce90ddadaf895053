#include <memory>

#include "cli/config_flags.h"
#include "cli/serving_flags.h"
#include "cli/verbs.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "learner/learner_process.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nThe driver of a run: workers join it, reward servers are its\n"
    "configuration's. `operant train` starts it for you on one machine.\n"
    "\nExample:\n"
    "  operant learner -c run.yaml --listen 10.0.0.1:7070 \\\n"
    "      security.certs=certs reward.endpoints=[10.0.0.3:50061]\n";

struct Flags {
  ConfigFlags config;
  ServingFlags serving;
  bool resume = false;
  int rank = 0;
};

absl::StatusOr<ExitCode> Learn(const Flags& flags) {
  learner::LearnerOptions options;
  ASSIGN_OR_RETURN(options.config, LoadFor(flags.config, ConfigUse::kTrain));
  options.listen = flags.serving.listen;
  options.http = flags.serving.http;
  options.announce_path = flags.serving.announce;
  options.resume = flags.resume;
  InitLoggingAs("learner", flags.rank, options.config.log());
  ASSIGN_OR_RETURN(options.credentials,
                   Credentials::Load(options.config.security(),
                                     {.role = v1::ROLE_LEARNER,
                                      .run = options.config.run().name()}));
  InstallShutdownHandlers();
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
  verb->add_option("--rank", flags->rank, "Number of this learner process")
      ->check(CLI::Range(0, 0))
      ->capture_default_str();
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Learn(*flags); }; });
}

}  // namespace operant::cli
