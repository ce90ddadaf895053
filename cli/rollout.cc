#include <unistd.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/config_flags.h"
#include "cli/serving_flags.h"
#include "cli/verbs.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "rollout/worker.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nJoins a running run, at any time; the run's configuration comes from\n"
    "its coordinator, and keys given here (rollout.slots, threads, device,\n"
    "dtype) hold for this worker.\n"
    "\nExample:\n"
    "  operant rollout --coordinator 10.0.0.1:7070 --listen 10.0.0.2:7071 \\\n"
    "      security.certs=certs rollout.threads=8\n";

struct Flags {
  ConfigFlags config;
  ServingFlags serving;
  std::string coordinator;
  std::string id;
  std::string advertise;
  int drain_seconds = 10;
  int rank = 0;
};

// Unique among the workers of all machines.
std::string DefaultId() {
  char host[256] = "host";
  gethostname(host, sizeof(host) - 1);
  return absl::StrCat(host, "-", getpid());
}

absl::StatusOr<ExitCode> Roll(const Flags& flags) {
  // Not resolved: what is not given here is the run's to say, but for what
  // the run may not say.
  ASSIGN_OR_RETURN(const v1::RunConfig config,
                   LoadConfig(flags.config.files, flags.config.overrides));
  v1::RunConfig resolved = config;
  ResolveDefaults(resolved);
  RETURN_IF_ERROR(ValidateConfig(resolved, ConfigUse::kRollout));
  const v1::SecuritySection& security = resolved.security();
  InitLoggingAs("rollout", flags.rank, config.log());
  InstallShutdownHandlers();
  rollout::WorkerOptions options;
  options.coordinator = flags.coordinator;
  options.listen = flags.serving.listen;
  options.http = flags.serving.http;
  options.announce_path = flags.serving.announce;
  options.advertise = flags.advertise;
  options.drain_grace = absl::Seconds(flags.drain_seconds);
  ASSIGN_OR_RETURN(
      options.credentials,
      Credentials::Load(security, {.role = v1::ROLE_ROLLOUT, .run = ""}));
  options.worker_id = flags.id.empty() ? DefaultId() : flags.id;
  options.overrides = {.slots = static_cast<int>(config.rollout().slots()),
                       .threads = static_cast<int>(config.rollout().threads()),
                       .device = config.rollout().device(),
                       .dtype = config.rollout().dtype()};
  return rollout::RunRolloutWorker(options);
}

}  // namespace

void AddRolloutVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      app.add_subcommand("rollout", "Join a run as a worker that samples");
  verb->add_option("--coordinator", flags->coordinator,
                   "Address of the run's learner")
      ->type_name("HOST:PORT")
      ->required();
  AddConfigFlags(*verb, flags->config);
  AddServingFlags(*verb, flags->serving);
  verb->add_option("--id", flags->id,
                   "Unique name in the run; default: host and process id");
  verb->add_option("--advertise", flags->advertise,
                   "Where the learner and other workers reach it, if not at "
                   "--listen; port 0: that of --listen")
      ->type_name("HOST:PORT");
  verb->add_option("--drain-seconds", flags->drain_seconds,
                   "After SIGTERM, what is being sampled may finish this long")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
  verb->add_option("--rank", flags->rank, "Number shown in its log")
      ->capture_default_str();
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Roll(*flags); }; });
}

}  // namespace operant::cli
