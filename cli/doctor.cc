#include "cli/doctor.h"

#include <cstdio>
#include <memory>
#include <string>

#include "cli/config_flags.h"
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
    "  operant doctor --plan\n";

}  // namespace

ExitCode Examine(const v1::RunConfig& config) {
  ExitCode code = ExitCode::kDone;
  for (const learner::Check& check : learner::Preflight(config)) {
    const bool good = check.status.ok();
    const std::string text =
        good ? check.text : std::string(check.status.message());
    std::printf("%-5s %-12s %s\n", good ? "ok" : "WRONG", check.name.c_str(),
                text.c_str());
    if (!good && code == ExitCode::kDone) code = ExitCodeFor(check.status);
  }
  return code;
}

void AddDoctorVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ConfigFlags>();
  auto plan = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand(
      "doctor", "Find out whether a run could start, before it does");
  AddConfigFlags(*verb, *flags);
  verb->add_flag("--plan", *plan,
                 "Say what models of 0.5 B, 8 B and 70 B need, and nothing "
                 "else (docs/sizing.md)");
  verb->footer(kFooter);
  verb->callback([flags, plan, &action] {
    action = [flags, plan]() -> absl::StatusOr<ExitCode> {
      if (*plan) {
        PrintPlan();
        return ExitCode::kDone;
      }
      ASSIGN_OR_RETURN(const v1::RunConfig config,
                       LoadFor(*flags, ConfigUse::kTrain));
      return Examine(config);
    };
  });
}

}  // namespace operant::cli
