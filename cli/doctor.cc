#include "cli/doctor.h"

#include <cstdio>
#include <memory>
#include <string>

#include "cli/config_flags.h"
#include "cli/verbs.h"
#include "common/base/status_macros.h"
#include "learner/preflight.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nModel, data, run directory, certificates, address, reward servers,\n"
    "memory and batch arithmetic; starts and writes nothing.\n"
    "\nExample:\n"
    "  operant doctor -c run.yaml learner.prompts_per_step=128\n";

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
  CLI::App* verb = app.add_subcommand(
      "doctor", "Find out whether a run could start, before it does");
  AddConfigFlags(*verb, *flags);
  verb->footer(kFooter);
  verb->callback([flags, &action] {
    action = [flags]() -> absl::StatusOr<ExitCode> {
      ASSIGN_OR_RETURN(const v1::RunConfig config,
                       LoadFor(*flags, ConfigUse::kTrain));
      return Examine(config);
    };
  });
}

}  // namespace operant::cli
