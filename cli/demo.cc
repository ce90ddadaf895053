#include "common/run/demo.h"

#include <memory>

#include "cli/config_flags.h"
#include "cli/verbs.h"
#include "common/base/shutdown.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nAt the end: rates with their intervals, ten raw and ten trained\n"
    "responses, and runs/demo/{result.json,model/,plots/}.\n"
    "\nExamples, from the folder of the sources:\n"
    "  operant demo\n"
    "  operant demo --quick            a smaller budget, in two minutes\n"
    "  operant demo ppo.kl_coefficient=0.05 run.name=demo-kl\n";

struct Flags {
  bool quick = false;
  DemoOptions demo;
};

absl::StatusOr<ExitCode> Demonstrate(const Flags& flags) {
  DemoOptions options = flags.demo;
  options.program = "/proc/self/exe";
  options.config_files = {"deploy/configs/demo.yaml"};
  if (flags.quick) {
    options.config_files.push_back("deploy/configs/demo-quick.yaml");
  }
  InitLoggingAs("demo", 0, {});
  InstallShutdownHandlers();
  return RunDemo(options);
}

}  // namespace

void AddDemoVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand(
      "demo", "Make an unreliable model reliable, on this machine");
  verb->add_flag("--quick", flags->quick, "A smaller budget");
  verb->add_option("--phases", flags->demo.phases,
                   "Folder with the seconds of earlier phases")
      ->type_name("DIR");
  verb->add_option("overrides", flags->demo.overrides,
                   "section.key=value, stronger than the demo's files")
      ->type_name("KEY=VALUE");
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Demonstrate(*flags); }; });
}

}  // namespace operant::cli
