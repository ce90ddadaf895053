#include <memory>
#include <string>

#include "cli/config_flags.h"
#include "cli/reward_check.h"
#include "cli/serving_flags.h"
#include "cli/verbs.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "reward/reward_process.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nServes a built-in scorer (reward.scorer) behind the public contract,\n"
    "proto/operant/v1/reward.proto. A server of your own, in any language,\n"
    "takes its place: examples/ has one in Python.\n"
    "\nExample:\n"
    "  operant reward --listen 127.0.0.1:50061 security.plaintext=true \\\n"
    "      reward.scorer=wellformed reward.lexicon=lexicon.txt\n"
    "  operant reward --scorer math security.plaintext=true\n";

struct Flags {
  ConfigFlags config;
  ServingFlags serving;
  // reward.scorer and reward.sandbox.kind, if not "".
  std::string scorer, sandbox;
};

absl::StatusOr<ExitCode> Serve(const Flags& flags) {
  ConfigFlags config_flags = flags.config;
  if (!flags.scorer.empty()) {
    config_flags.overrides.push_back("reward.scorer=" + flags.scorer);
  }
  if (!flags.sandbox.empty()) {
    config_flags.overrides.push_back("reward.sandbox.kind=" + flags.sandbox);
  }
  ASSIGN_OR_RETURN(const v1::RunConfig config,
                   LoadFor(config_flags, ConfigUse::kReward));
  InitLoggingAs("reward", 0, config.log());
  InstallShutdownHandlers();
  ASSIGN_OR_RETURN(auto credentials,
                   Credentials::Load(config.security(),
                                     {.role = v1::ROLE_REWARD, .run = ""}));
  return reward::RunRewardServer({.config = config.reward(),
                                  .listen = flags.serving.listen,
                                  .metrics = flags.serving.http,
                                  .announce_path = flags.serving.announce,
                                  .credentials = std::move(credentials)});
}

}  // namespace

void AddRewardVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("reward", "Serve a built-in scorer");
  AddConfigFlags(*verb, flags->config);
  AddServingFlags(*verb, flags->serving);
  verb->add_option("--scorer", flags->scorer,
                   "As reward.scorer (operant config explain reward.scorer)")
      ->type_name("NAME");
  verb->add_option("--sandbox", flags->sandbox,
                   "Of the code scorer: bubblewrap or runtime-class")
      ->type_name("KIND");
  verb->footer(kFooter);
  verb->callback([flags, verb, &action] {
    if (!verb->get_subcommands().empty()) return;  // check has its own
    action = [flags] { return Serve(*flags); };
  });
  AddRewardCheckVerb(*verb, action);
}

}  // namespace operant::cli
