// operant: reinforcement learning of language models, as a service.
#include <cstdio>
#include <exception>
#include <string>

#include "CLI/CLI.hpp"
#include "cli/verbs.h"
#include "common/base/exit_code.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nFirst steps:\n"
    "  make demo                              raw model -> reliable model\n"
    "  operant init own-reward run.yaml       a configuration to start from\n"
    "  operant doctor -c run.yaml             could it start?\n"
    "  operant train -c run.yaml              your run, on this machine\n"
    "  operant config explain ppo.kl_target   what a key means\n"
    "\nExit codes: 0 done, 64 usage, 65 data, 69 no reward server, 70 a bug,\n"
    "75 stopped but resumable, 76 diverged, 78 configuration, 130 "
    "interrupted.\n";

void AddVerbs(CLI::App& app, Action& action) {
  AddDemoVerb(app, action);
  AddTrainVerb(app, action);
  AddSftVerb(app, action);
  AddRmVerb(app, action);
  AddLearnerVerb(app, action);
  AddRolloutVerb(app, action);
  AddRewardVerb(app, action);
  AddRunsVerb(app, action);
  AddEvalVerb(app, action);
  AddGenerateVerb(app, action);
  AddLogprobsVerb(app, action);
  AddDataVerb(app, action);
  AddInitVerb(app, action);
  AddDoctorVerb(app, action);
  AddDeployVerb(app, action);
  AddCertsVerb(app, action);
  AddCompletionVerb(app, action);
  AddConfigVerb(app, action);
  AddProbeVerb(app, action);
  AddTopVerb(app, action);
  AddVersionVerb(app, action);
}

// The verb that was chosen, for error messages: "config show".
std::string VerbOf(const CLI::App& app) {
  std::string verb;
  for (const CLI::App* sub = &app; !sub->get_subcommands().empty();) {
    sub = sub->get_subcommands().front();
    verb += " " + sub->get_name();
  }
  return verb;
}

int Fail(const std::string& verb, const std::string& message, ExitCode code) {
  std::fprintf(stderr, "operant%s: %s\n", verb.c_str(), message.c_str());
  return static_cast<int>(code);
}

int Perform(const std::string& verb, const Action& action) {
  const absl::StatusOr<ExitCode> code = action();
  if (code.ok()) return static_cast<int>(*code);
  return Fail(verb, std::string(code.status().message()),
              ExitCodeFor(code.status()));
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Operant: reinforcement learning of language models, as a "
      "service.");
  app.require_subcommand(1);
  app.footer(kFooter);
  Action action;
  AddVerbs(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    return Fail(
        VerbOf(app),
        std::string(error.what()) + "; see operant" + VerbOf(app) + " --help",
        ExitCode::kUsage);
  }
  return Perform(VerbOf(app), action);
}

}  // namespace
}  // namespace operant::cli

int main(int argc, char** argv) {
  try {
    return operant::cli::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "operant: bug: %s\n", error.what());
    return static_cast<int>(operant::ExitCode::kBug);
  }
}
