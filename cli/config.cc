#include "common/base/config.h"

#include <cstdio>
#include <memory>
#include <string>

#include "cli/config_flags.h"
#include "cli/config_reference.h"
#include "cli/verbs.h"
#include "common/base/status_macros.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nExamples:\n"
    "  operant config show -c deploy/configs/demo.yaml ppo.epochs=2\n"
    "  operant config explain                 every section\n"
    "  operant config explain rollout         the keys of one\n"
    "  operant config explain reward.on_error what a key means\n";

absl::StatusOr<ExitCode> Show(const ConfigFlags& flags) {
  ASSIGN_OR_RETURN(v1::RunConfig config,
                   LoadConfig(flags.files, flags.overrides));
  ResolveDefaults(config);
  std::fputs(ConfigToYaml(config).c_str(), stdout);
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> Explain(const std::string& key) {
  ASSIGN_OR_RETURN(const std::string text, ExplainConfigKey(key));
  std::fputs(text.c_str(), stdout);
  return ExitCode::kDone;
}

}  // namespace

void AddConfigVerb(CLI::App& app, Action& action) {
  CLI::App* verb =
      app.add_subcommand("config", "Show and explain configurations");
  verb->require_subcommand(1);
  verb->footer(kFooter);

  auto flags = std::make_shared<ConfigFlags>();
  CLI::App* show = verb->add_subcommand(
      "show", "Print the configuration with every default written out");
  AddConfigFlags(*show, *flags);
  show->callback(
      [flags, &action] { action = [flags] { return Show(*flags); }; });

  auto key = std::make_shared<std::string>();
  CLI::App* explain = verb->add_subcommand("explain", "Say what a key means");
  explain->add_option("key", *key,
                      "section or section.key; none: all sections");
  explain->callback(
      [key, &action] { action = [key] { return Explain(*key); }; });
}

}  // namespace operant::cli
