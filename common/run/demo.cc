#include "common/run/demo.h"

#include <signal.h>

#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/config.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "common/run/local_training.h"
#include "common/run/run_directory.h"
#include "common/run/supervisor.h"
#include "nlohmann/json.hpp"

namespace operant {
namespace {

// A child that was told to stop saves within this.
constexpr absl::Duration kStopGrace = absl::Seconds(60);
constexpr absl::Duration kWatchInterval = absl::Seconds(5);

std::string ParentOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

class Demo {
 public:
  Demo(const DemoOptions& options, v1::RunConfig config)
      : options_(options), config_(std::move(config)) {}

  absl::StatusOr<ExitCode> Run();

 private:
  absl::Status MakeData();
  absl::Status Pretrain();
  absl::Status ClearEarlierRun();
  absl::Status AddPhases();

  // Runs `operant ARGS...` to its end, its output shown.
  absl::Status RunVerb(const std::string& name, std::vector<std::string> args);
  absl::Status AwaitVerb(Supervisor& supervisor, const std::string& log_path);
  // What the raw model follows from: equal recipes give an equal model.
  absl::StatusOr<std::string> Recipe() const;
  std::string recipe_path() const { return config_.model().path() + ".recipe"; }

  const DemoOptions& options_;
  const v1::RunConfig config_;
  double pretrain_seconds_ = 0;
  bool raw_model_cached_ = false;
};

absl::StatusOr<ExitCode> Demo::Run() {
  RETURN_IF_ERROR(MakeData());
  RETURN_IF_ERROR(Pretrain());
  RETURN_IF_ERROR(ClearEarlierRun());
  std::printf("\n== 3/3 reinforcement on whole responses\n");
  std::fflush(stdout);
  ASSIGN_OR_RETURN(
      const ExitCode code,
      TrainLocally(
          {.program = options_.program, .config = config_, .resume = false}));
  if (code == ExitCode::kDone) RETURN_IF_ERROR(AddPhases());
  return code;
}

absl::Status Demo::MakeData() {
  const std::string folder = ParentOf(config_.data().prompts());
  if (FileExists(config_.data().prompts())) {
    std::printf("== 1/3 data: in %s\n", folder.c_str());
    return absl::OkStatus();
  }
  std::printf("== 1/3 data: words and their definitions, from WordNet\n");
  return RunVerb("data", {"data", "wordnet", "--out", folder});
}

absl::Status Demo::Pretrain() {
  ASSIGN_OR_RETURN(const std::string recipe, Recipe());
  const auto kept = ReadFile(recipe_path());
  const auto json = nlohmann::json::parse(kept.value_or(""), nullptr, false);
  if (json.is_object() && json.value("recipe", "") == recipe &&
      FileExists(JoinPath(config_.model().path(), "config.json"))) {
    raw_model_cached_ = true;
    pretrain_seconds_ = json.value("seconds", 0.0);
    std::printf("== 2/3 raw model: in %s, pretrained earlier (%.0f s)\n",
                config_.model().path().c_str(), pretrain_seconds_);
    return absl::OkStatus();
  }
  std::printf("== 2/3 raw model: pretraining on the definitions\n");
  const absl::Time start = absl::Now();
  RETURN_IF_ERROR(RemoveTree(config_.model().path()));
  std::vector<std::string> args = {"sft"};
  for (const std::string& file : options_.config_files) {
    args.insert(args.end(), {"--config", file});
  }
  args.insert(args.end(), options_.overrides.begin(), options_.overrides.end());
  args.insert(args.end(), {"model.init=random",
                           absl::StrCat("sft.out=", config_.model().path())});
  RETURN_IF_ERROR(RunVerb("sft", std::move(args)));
  pretrain_seconds_ = absl::ToDoubleSeconds(absl::Now() - start);
  const nlohmann::json made = {{"recipe", recipe},
                               {"seconds", pretrain_seconds_}};
  return WriteFileAtomically(recipe_path(), made.dump() + "\n");
}

absl::StatusOr<std::string> Demo::Recipe() const {
  v1::RunConfig relevant;
  *relevant.mutable_model() = config_.model();
  *relevant.mutable_tokenizer() = config_.tokenizer();
  *relevant.mutable_sft() = config_.sft();
  relevant.mutable_run()->set_seed(config_.run().seed());
  ASSIGN_OR_RETURN(const std::string rows, ReadFile(config_.data().sft()));
  return Hex(Sha256(ConfigToYaml(relevant) + rows)).substr(0, 16);
}

absl::Status Demo::ClearEarlierRun() {
  // Opening it takes its lock: a demo that still runs is not pulled away.
  const std::string& root = config_.run().root();
  ASSIGN_OR_RETURN(const auto run,
                   RunDirectory::Open(root, config_.run().name(),
                                      RunDirectory::Mode::kResume));
  if (run->was_used()) {
    std::printf("   replacing the earlier %s\n", run->path().c_str());
  }
  return RemoveTree(run->path());
}

absl::Status Demo::AddPhases() {
  nlohmann::json seconds = {{"pretrain", pretrain_seconds_}};
  const auto names = ListDirectory(options_.phases);
  for (const std::string& name :
       names.ok() ? *names : std::vector<std::string>()) {
    const auto text = ReadFile(JoinPath(options_.phases, name));
    double value = 0;
    if (text.ok() && absl::SimpleAtod(*text, &value)) seconds[name] = value;
  }
  ASSIGN_OR_RETURN(
      const auto run,
      RunDirectory::Open(config_.run().root(), config_.run().name(),
                         RunDirectory::Mode::kResume));
  return run->MergeResult(nlohmann::json{
      {"seconds", seconds},
      {"raw_model_cached",
       raw_model_cached_}}.dump());
}

absl::Status Demo::RunVerb(const std::string& name,
                           std::vector<std::string> args) {
  std::fflush(stdout);
  args.insert(args.begin(), options_.program);
  const std::string folder = ParentOf(config_.model().path());
  RETURN_IF_ERROR(MakeDirectories(folder));
  const std::string log_path = JoinPath(folder, name + ".log");
  RETURN_IF_ERROR(RemoveTree(log_path));
  Supervisor supervisor;
  RETURN_IF_ERROR(supervisor.Start({.role = name,
                                    .args = std::move(args),
                                    .environment = {},
                                    .log_path = log_path,
                                    .show_output = true}));
  return AwaitVerb(supervisor, log_path);
}

absl::Status Demo::AwaitVerb(Supervisor& supervisor,
                             const std::string& log_path) {
  while (true) {
    const auto exit = supervisor.WaitExit(absl::Now() + kWatchInterval);
    if (exit.has_value() && exit->ok()) return absl::OkStatus();
    if (exit.has_value()) {
      const auto code = exit->signal != 0
                            ? ExitCode::kBug
                            : static_cast<ExitCode>(exit->exit_code);
      return WithExitCode(
          absl::FailedPreconditionError(DescribeDeath(*exit, log_path)), code);
    }
    if (ShutdownRequested() != StopSignal::kNone) {
      supervisor.StopAll(kStopGrace);
      return WithExitCode(absl::CancelledError("interrupted; run it again"),
                          ExitCodeFor(ShutdownRequested()));
    }
  }
}

}  // namespace

absl::StatusOr<ExitCode> RunDemo(const DemoOptions& options) {
  for (const std::string& file : options.config_files) {
    if (FileExists(file)) continue;
    return absl::NotFoundError(
        absl::StrCat("no demo here: ", file,
                     " is missing; run it from the folder of "
                     "Operant's sources, as `make demo` does"));
  }
  ASSIGN_OR_RETURN(v1::RunConfig config,
                   LoadConfig(options.config_files, options.overrides));
  ResolveDefaults(config);
  RETURN_IF_ERROR(ValidateConfig(config, ConfigUse::kTrain));
  return Demo(options, std::move(config)).Run();
}

}  // namespace operant
