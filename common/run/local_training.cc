#include "common/run/local_training.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "common/run/local_prometheus.h"
#include "common/run/process_stats.h"
#include "common/run/process_table.h"
#include "common/run/reward_command.h"
#include "common/run/run_directory.h"
#include "common/run/scrape_targets.h"
#include "common/run/supervisor.h"
#include "common/run/thread_plan.h"

namespace operant {
namespace {

constexpr const char* kLearner = "learner";
constexpr const char* kReward = "reward";

// A scorer reads its word lists; the learner reads a model from disk.
constexpr absl::Duration kRewardStart = absl::Seconds(60);
constexpr absl::Duration kLearnerStart = absl::Minutes(10);
// After SIGINT or SIGTERM the learner finishes its step and saves.
constexpr absl::Duration kSaveGrace = absl::Minutes(3);
// Workers and reward servers have nothing to save.
constexpr absl::Duration kStopGrace = absl::Seconds(10);
constexpr absl::Duration kWatchInterval = absl::Seconds(5);
// A process that keeps dying has a cause that starting it does not cure.
constexpr int kMaxRestarts = 3;

std::string RolloutRole(int index) { return absl::StrCat("rollout-", index); }

// Whether starting the same command again would end the same way.
bool IsPermanent(const ProcessExit& exit) {
  if (exit.signal != 0) return false;
  switch (static_cast<ExitCode>(exit.exit_code)) {
    case ExitCode::kDone:
    case ExitCode::kUsage:
    case ExitCode::kData:
    case ExitCode::kConfig:
      return true;
    default:
      return false;
  }
}

// The run's exit code, from how the learner ended.
ExitCode CodeOf(const ProcessExit& learner) {
  if (learner.signal == SIGKILL) return ExitCode::kResumable;
  if (learner.signal != 0) return ExitCode::kBug;
  return static_cast<ExitCode>(learner.exit_code);
}

class LocalTraining {
 public:
  LocalTraining(const LocalTrainingOptions& options,
                std::unique_ptr<RunDirectory> run)
      : options_(options), run_(std::move(run)) {}

  absl::StatusOr<ExitCode> Run();

 private:
  absl::Status StartAll();
  absl::Status StartRewardCommands();
  absl::Status StartAndWait(const ProcessSpec& spec, absl::Duration timeout);
  absl::Status Start(const ProcessSpec& spec);
  ExitCode Watch();
  void PassOnSignal();
  void ReportDeath(const ProcessExit& exit) const;
  void StartAgain(const ProcessExit& exit);
  void StopOthers();
  absl::Status WriteReport();
  absl::Status StartPrometheus();
  void ListTargets();
  std::string TargetsPath() const {
    return JoinPath(run_->path(), "targets.json");
  }

  // The command line of `operant VERB` that serves and announces itself.
  ProcessSpec Spec(const std::string& role, const std::string& verb,
                   std::vector<std::string> flags, int threads) const;
  ProcessSpec RewardSpec(const std::string& listen) const;
  ProcessSpec LearnerSpec() const;
  ProcessSpec RolloutSpec(int index) const;
  std::string AnnouncePath(const std::string& role) const {
    return JoinPath(run_->path(), absl::StrCat("logs/", role, ".address"));
  }

  const LocalTrainingOptions& options_;
  const std::unique_ptr<RunDirectory> run_;
  Supervisor supervisor_;
  ProcessTable table_;
  std::map<std::string, ProcessSpec> specs_;  // by role
  std::string listed_;                        // what targets.json holds
  bool signal_passed_on_ = false;
  absl::Time kill_time_ = absl::InfiniteFuture();
};

absl::StatusOr<ExitCode> LocalTraining::Run() {
  const absl::Status started = StartAll();
  const ExitCode code = started.ok() ? Watch() : ExitCode::kDone;
  specs_.clear();
  ListTargets();
  StopOthers();
  RETURN_IF_ERROR(WriteReport());
  if (ShutdownRequested() != StopSignal::kNone && !started.ok()) {
    return ExitCodeFor(ShutdownRequested());
  }
  RETURN_IF_ERROR(started);
  return code;
}

absl::Status LocalTraining::StartAll() {
  ListTargets();
  if (options_.watch) RETURN_IF_ERROR(StartPrometheus());
  if (options_.config.reward().endpoints().empty()) {
    RETURN_IF_ERROR(StartAndWait(RewardSpec("127.0.0.1:0"), kRewardStart));
    // Started again, it serves where the learner looks for it.
    specs_[kReward] = RewardSpec(table_.announcement(kReward).address);
  }
  RETURN_IF_ERROR(StartRewardCommands());
  RETURN_IF_ERROR(StartAndWait(LearnerSpec(), kLearnerStart));
  for (uint32_t i = 0; i < options_.config.rollout().workers(); ++i) {
    RETURN_IF_ERROR(Start(RolloutSpec(i)));
  }
  return WriteFileAtomically(JoinPath(run_->path(), "processes.json"),
                             table_.ToJson());
}

// Servers of the user's. One that does not come up is a fault of the
// configuration.
absl::Status LocalTraining::StartRewardCommands() {
  const v1::RewardSection& reward = options_.config.reward();
  for (int i = 0; i < reward.endpoints_size(); ++i) {
    const v1::RewardEndpoint& endpoint = reward.endpoints(i);
    if (endpoint.command().empty()) continue;
    const std::string role = absl::StrCat(kReward, "-", i);
    absl::Status started =
        Start(RewardCommandSpec(endpoint, role, run_->log_path(role)));
    if (started.ok()) {
      started = supervisor_.WaitReady(
          role, [&] { return IsListening(endpoint.address()); }, kRewardStart);
    }
    if (absl::IsCancelled(started)) return started;
    if (!started.ok()) {
      return WithExitCode(
          absl::FailedPreconditionError(absl::StrCat(
              "reward.endpoints[", i, "].command does not serve at ",
              endpoint.address(), ": ", started.message())),
          ExitCode::kConfig);
    }
    table_.Serving(role, {endpoint.address(), ""});
  }
  return absl::OkStatus();
}

absl::Status LocalTraining::Start(const ProcessSpec& spec) {
  // What an earlier incarnation announced is void.
  RETURN_IF_ERROR(RemoveTree(AnnouncePath(spec.role)));
  RETURN_IF_ERROR(supervisor_.Start(spec));
  specs_.insert_or_assign(spec.role, spec);
  table_.Started(spec.role);
  return absl::OkStatus();
}

absl::Status LocalTraining::StartAndWait(const ProcessSpec& spec,
                                         absl::Duration timeout) {
  RETURN_IF_ERROR(Start(spec));
  ASSIGN_OR_RETURN(
      Announcement serving,
      supervisor_.WaitServing(spec.role, AnnouncePath(spec.role), timeout));
  table_.Serving(spec.role, serving);
  return absl::OkStatus();
}

ExitCode LocalTraining::Watch() {
  while (true) {
    ListTargets();
    const auto exit = supervisor_.WaitExit(
        std::min(kill_time_, absl::Now() + kWatchInterval));
    if (exit.has_value()) {
      table_.Ended(*exit);
      if (!exit->ok() && !signal_passed_on_) ReportDeath(*exit);
      if (exit->role == kLearner) return CodeOf(*exit);
      StartAgain(*exit);
    }
    PassOnSignal();
    if (absl::Now() >= kill_time_) supervisor_.Signal(kLearner, SIGKILL);
  }
}

absl::Status LocalTraining::StartPrometheus() {
  ASSIGN_OR_RETURN(
      const LocalPrometheus prometheus,
      PrepareLocalPrometheus(JoinPath(run_->path(), "prometheus"),
                             TargetsPath(), run_->log_path("prometheus")));
  RETURN_IF_ERROR(Start(prometheus.spec));
  std::printf("Prometheus on http://%s, alerts on http://%s/alerts\n",
              prometheus.address.c_str(), prometheus.address.c_str());
  std::fflush(stdout);
  return absl::OkStatus();
}

// A file that cannot be written costs the view of the run, not the run.
void LocalTraining::ListTargets() {
  std::vector<ScrapeTarget> targets;
  for (const auto& [process, spec] : specs_) {
    const auto serving = ReadAnnouncement(AnnouncePath(process));
    if (!serving.ok()) continue;
    const std::string role = process.substr(0, process.find('-'));
    targets.push_back({serving->metrics, role, process});
  }
  std::string text = ScrapeTargetsJson(options_.config.run().name(), targets);
  if (text == listed_) return;
  const absl::Status written = WriteFileAtomically(TargetsPath(), text);
  if (!written.ok()) {
    LogWarning("targets.json not written", {{"cause", written.ToString()}});
    return;
  }
  listed_ = std::move(text);
}

void LocalTraining::PassOnSignal() {
  const StopSignal requested = ShutdownRequested();
  if (requested == StopSignal::kNone || signal_passed_on_) return;
  signal_passed_on_ = true;
  kill_time_ = absl::Now() + kSaveGrace;
  LogInfo("stopping: the learner finishes its step and saves",
          {{"grace_s", absl::ToInt64Seconds(kSaveGrace)}});
  supervisor_.Signal(kLearner,
                     requested == StopSignal::kInterrupt ? SIGINT : SIGTERM);
}

void LocalTraining::ReportDeath(const ProcessExit& exit) const {
  std::fprintf(stderr, "%s\n",
               DescribeDeath(exit, run_->log_path(exit.role)).c_str());
}

void LocalTraining::StartAgain(const ProcessExit& exit) {
  if (exit.ok() || signal_passed_on_) return;
  if (IsPermanent(exit) || table_.restarts(exit.role) >= kMaxRestarts) {
    LogWarning("process not started again", {{"role", exit.role}});
    return;
  }
  const absl::Status started = Start(specs_.at(exit.role));
  LogWarning("process started again",
             {{"role", exit.role},
              {"outcome", started.ok() ? std::string("ok")
                                       : std::string(started.message())}});
}

void LocalTraining::StopOthers() {
  for (const ProcessExit& exit : supervisor_.StopAll(kStopGrace)) {
    table_.Ended(exit);
  }
}

absl::Status LocalTraining::WriteReport() {
  // Workers announced themselves after the learner was waited for.
  for (uint32_t i = 0; i < options_.config.rollout().workers(); ++i) {
    const auto serving = ReadAnnouncement(AnnouncePath(RolloutRole(i)));
    if (serving.ok()) table_.Serving(RolloutRole(i), *serving);
  }
  RETURN_IF_ERROR(WriteFileAtomically(JoinPath(run_->path(), "processes.json"),
                                      table_.ToJson()));
  // A run that ended early has no result to add to.
  if (!FileExists(run_->result_path())) return absl::OkStatus();
  return run_->MergeResult(
      absl::StrCat("{\"peak_rss_mib\":", table_.PeakRssJson(), "}"));
}

ProcessSpec LocalTraining::Spec(const std::string& role,
                                const std::string& verb,
                                std::vector<std::string> flags,
                                int threads) const {
  std::vector<std::string> args = {options_.program, verb,
                                   "--config",       run_->config_path(),
                                   "--announce",     AnnouncePath(role)};
  args.insert(args.end(), flags.begin(), flags.end());
  return {.role = role,
          .args = std::move(args),
          .environment = {absl::StrCat("OMP_NUM_THREADS=", threads)},
          .log_path = run_->log_path(role),
          .show_output = role == kLearner};
}

ProcessSpec LocalTraining::RewardSpec(const std::string& listen) const {
  return Spec(kReward, "reward", {"--listen", listen},
              options_.config.reward().threads());
}

ProcessSpec LocalTraining::LearnerSpec() const {
  std::vector<std::string> flags;
  if (options_.resume) flags.push_back("--resume");
  if (options_.config.reward().endpoints().empty()) {
    flags.push_back(absl::StrCat("reward.endpoints=[{name: builtin, address: '",
                                 table_.announcement(kReward).address, "'}]"));
  }
  return Spec(kLearner, "learner", std::move(flags),
              options_.config.learner().threads());
}

ProcessSpec LocalTraining::RolloutSpec(int index) const {
  const std::string role = RolloutRole(index);
  return Spec(role, "rollout",
              {"--coordinator", table_.announcement(kLearner).address, "--id",
               role, "--rank", absl::StrCat(index)},
              options_.config.rollout().threads());
}

// Without certificates the processes talk in plaintext: all of them are on
// loopback addresses.
void AllowPlaintext(v1::SecuritySection& security) {
  const bool certificates =
      !security.certs().empty() || !security.certificate().empty();
  if (!certificates) security.set_plaintext(true);
}

}  // namespace

absl::StatusOr<ExitCode> TrainLocally(const LocalTrainingOptions& options) {
  LocalTrainingOptions filled = options;
  DivideThreads(UsableCores(), filled.config);
  AllowPlaintext(*filled.config.mutable_security());
  ASSIGN_OR_RETURN(
      std::unique_ptr<RunDirectory> run,
      RunDirectory::Open(filled.config.run().root(), filled.config.run().name(),
                         filled.resume ? RunDirectory::Mode::kResume
                                       : RunDirectory::Mode::kFresh));
  RETURN_IF_ERROR(AssignRewardAddresses(*filled.config.mutable_reward()));
  RETURN_IF_ERROR(run->WriteConfig(filled.config));
  return LocalTraining(filled, std::move(run)).Run();
}

}  // namespace operant
