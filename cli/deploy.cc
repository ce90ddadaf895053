#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "cli/config_flags.h"
#include "cli/verbs.h"
#include "common/base/status_macros.h"
#include "common/deploy/render.h"
#include "common/deploy/write_folder.h"

namespace operant::cli {
namespace {

using deploy::Target;

constexpr const char* kFooter =
    "\nWhat it needs is in the configuration's deploy section (operant config\n"
    "explain deploy); what it lacks is refused by name. DIR is written whole "
    "or\n"
    "not at all, and may be rendered again. Its README.md says what to do "
    "next.\n"
    "\nExamples:\n"
    "  operant deploy render k8s -c run.yaml -o cluster\n"
    "  kubectl apply -k cluster\n"
    "  operant deploy render slurm -c run.yaml -o job\n";

const std::map<std::string, Target> kTargets = {{"k8s", Target::kK8s},
                                                {"slurm", Target::kSlurm},
                                                {"compose", Target::kCompose},
                                                {"systemd", Target::kSystemd}};

struct Flags {
  ConfigFlags config;
  std::string target;
  std::string folder;
};

absl::StatusOr<ExitCode> Render(const Flags& flags) {
  ASSIGN_OR_RETURN(const v1::RunConfig config,
                   LoadFor(flags.config, ConfigUse::kTrain));
  ASSIGN_OR_RETURN(const deploy::Files files,
                   deploy::RenderDeployment(config, kTargets.at(flags.target)));
  RETURN_IF_ERROR(deploy::WriteFolder(flags.folder, files));
  std::printf("%s: %zu files; %s/README.md says what to do next\n",
              flags.folder.c_str(), files.size(), flags.folder.c_str());
  return ExitCode::kDone;
}

}  // namespace

void AddDeployVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      app.add_subcommand("deploy", "Write what launches a run elsewhere");
  verb->require_subcommand(1);
  CLI::App* render = verb->add_subcommand(
      "render", "Files for Kubernetes, Slurm, compose or systemd");
  render->add_option("target", flags->target, "k8s, slurm, compose or systemd")
      ->check(CLI::IsMember({"k8s", "slurm", "compose", "systemd"}))
      ->required();
  AddConfigFlags(*render, flags->config);
  render->add_option("-o,--out", flags->folder, "The folder to write")
      ->type_name("DIR")
      ->required();
  render->footer(kFooter);
  render->callback(
      [flags, &action] { action = [flags] { return Render(*flags); }; });
}

}  // namespace operant::cli
