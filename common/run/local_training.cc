#include "common/run/local_training.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/config_security.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/monotonic_clock.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "common/run/gpu_plan.h"
#include "common/run/local_processes.h"
#include "common/run/local_prometheus.h"
#include "common/run/process_keeper.h"
#include "common/run/process_stats.h"
#include "common/run/process_table.h"
#include "common/run/reward_command.h"
#include "common/run/run_directory.h"
#include "common/run/scrape_targets.h"
#include "common/run/supervisor.h"
#include "common/run/thread_plan.h"

namespace operant {
namespace {

// A scorer reads its word lists; the learner reads a model from disk.
constexpr absl::Duration kRewardStart = absl::Seconds(60);
constexpr absl::Duration kLearnerStart = absl::Minutes(10);
// Workers and reward servers have nothing to save.
constexpr absl::Duration kStopGrace = absl::Seconds(10);
constexpr absl::Duration kWatchInterval = absl::Seconds(5);
constexpr const char* kPrometheus = "prometheus";

bool IsReward(const std::string& role) {
  return absl::StartsWith(role, kRewardRole);
}

class LocalTraining {
 public:
  LocalTraining(const LocalTrainingOptions& options,
                std::unique_ptr<RunDirectory> run, GpuPlan gpus)
      : options_(options),
        run_(std::move(run)),
        processes_(options.program, options.config, *run_, std::move(gpus)),
        keeper_(RestartLimitsOf(options.config.run()),
                {.start = [this](const ProcessSpec& s) { return Launch(s); },
                 .signal =
                     [this](const std::string& role, int signal) {
                       supervisor_.Signal(role, signal);
                     }}) {}

  absl::StatusOr<ExitCode> Run();

 private:
  absl::Status StartAll();
  absl::Status StartRewardCommands();
  absl::Status StartLearner();
  // A unit of one process.
  absl::Status Start(const ProcessSpec& spec);
  absl::Status StartAndWait(const ProcessSpec& spec, absl::Duration timeout);
  absl::Status AwaitServing(const std::string& role, absl::Duration timeout);
  absl::Status Launch(const ProcessSpec& spec);
  ExitCode Watch();
  // The run's exit code, once it is over.
  std::optional<ExitCode> Handle(const ProcessKeeper::Verdict& verdict);
  std::optional<ExitCode> LearnerEnded(const ProcessKeeper::Verdict& verdict);
  // Whether the run can do without `unit`, which is not started again.
  bool CanDoWithout(const std::string& unit) const;
  void StopBecause(const std::string& cause, ExitCode code);
  void PassOnSignal();
  void TellLearnerToStop(int signal);
  void ReportDeath(const ProcessExit& exit) const;
  void StopOthers();
  absl::Status WriteReport();
  absl::Status StartPrometheus();
  void ListTargets();
  std::string TargetsPath() const {
    return JoinPath(run_->path(), "targets.json");
  }
  LocalProcesses::LearnerPlan LearnerPlan() const;

  const LocalTrainingOptions& options_;
  const std::unique_ptr<RunDirectory> run_;
  const LocalProcesses processes_;
  Supervisor supervisor_;
  ProcessKeeper keeper_;
  ProcessTable table_;
  std::vector<std::string> roles_;  // of every process ever started
  std::string listed_;              // what targets.json holds
  int workers_left_ = 0;            // that run, or will again
  bool stopping_ = false;
  std::optional<ExitCode> stop_code_;  // of a cause found here
  std::string stop_cause_;
  absl::Time kill_time_ = absl::InfiniteFuture();  // monotonic
};

absl::StatusOr<ExitCode> LocalTraining::Run() {
  const absl::Status started = StartAll();
  const ExitCode code = started.ok() ? Watch() : ExitCode::kDone;
  stopping_ = true;
  roles_.clear();
  ListTargets();
  StopOthers();
  RETURN_IF_ERROR(WriteReport());
  if (ShutdownRequested() != StopSignal::kNone && !started.ok()) {
    return ExitCodeFor(ShutdownRequested());
  }
  RETURN_IF_ERROR(started);
  if (!stop_cause_.empty()) {
    return WithExitCode(absl::AbortedError(stop_cause_),
                        stop_code_.value_or(code));
  }
  return code;
}

absl::Status LocalTraining::StartAll() {
  ListTargets();
  if (options_.watch) RETURN_IF_ERROR(StartPrometheus());
  if (options_.config.reward().endpoints().empty()) {
    RETURN_IF_ERROR(
        StartAndWait(processes_.Reward(kAnyLoopbackPort), kRewardStart));
    // Started again, it serves where the learner looks for it.
    keeper_.ReplaceSpecs(
        kRewardRole,
        {processes_.Reward(table_.announcement(kRewardRole).address)});
  }
  RETURN_IF_ERROR(StartRewardCommands());
  RETURN_IF_ERROR(StartLearner());
  for (uint32_t i = 0; i < options_.config.rollout().workers(); ++i) {
    RETURN_IF_ERROR(Start(processes_.Rollout(
        static_cast<int>(i), table_.announcement(kLearnerRole).address)));
    ++workers_left_;
  }
  return WriteFileAtomically(JoinPath(run_->path(), "processes.json"),
                             table_.ToJson());
}

LocalProcesses::LearnerPlan LocalTraining::LearnerPlan() const {
  return {.resume = options_.resume,
          .builtin_reward = table_.announcement(kRewardRole).address};
}

// Started again, it goes on from its last checkpoint, and serves where the
// workers look for it.
absl::Status LocalTraining::StartLearner() {
  LocalProcesses::LearnerPlan plan = LearnerPlan();
  RETURN_IF_ERROR(keeper_.Start(kLearnerRole, {processes_.Learner(plan)}));
  RETURN_IF_ERROR(AwaitServing(kLearnerRole, kLearnerStart));
  plan.listen = table_.announcement(kLearnerRole).address;
  plan.resume = true;
  std::vector<ProcessSpec> ranks = processes_.OtherRanks(plan.listen);
  RETURN_IF_ERROR(keeper_.Join(kLearnerRole, ranks));
  ranks.insert(ranks.begin(), processes_.Learner(plan));
  keeper_.ReplaceSpecs(kLearnerRole, std::move(ranks));
  return absl::OkStatus();
}

// Servers of the user's. One that does not come up is a fault of the
// configuration.
absl::Status LocalTraining::StartRewardCommands() {
  const v1::RewardSection& reward = options_.config.reward();
  for (int i = 0; i < reward.endpoints_size(); ++i) {
    const v1::RewardEndpoint& endpoint = reward.endpoints(i);
    if (endpoint.command().empty()) continue;
    const std::string role = absl::StrCat(kRewardRole, "-", i);
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

absl::Status LocalTraining::Launch(const ProcessSpec& spec) {
  // What an earlier incarnation announced is void.
  RETURN_IF_ERROR(RemoveTree(processes_.AnnouncePath(spec.role)));
  RETURN_IF_ERROR(supervisor_.Start(spec));
  if (std::find(roles_.begin(), roles_.end(), spec.role) == roles_.end())
    roles_.push_back(spec.role);
  table_.Started(spec.role);
  return absl::OkStatus();
}

absl::Status LocalTraining::Start(const ProcessSpec& spec) {
  return keeper_.Start(spec.role, {spec});
}

absl::Status LocalTraining::StartAndWait(const ProcessSpec& spec,
                                         absl::Duration timeout) {
  RETURN_IF_ERROR(Start(spec));
  return AwaitServing(spec.role, timeout);
}

absl::Status LocalTraining::AwaitServing(const std::string& role,
                                         absl::Duration timeout) {
  ASSIGN_OR_RETURN(
      Announcement serving,
      supervisor_.WaitServing(role, processes_.AnnouncePath(role), timeout));
  table_.Serving(role, serving);
  return absl::OkStatus();
}

ExitCode LocalTraining::Watch() {
  while (true) {
    ListTargets();
    PassOnSignal();
    const absl::Duration wait =
        std::min(kill_time_, keeper_.NextStart()) - MonotonicNow();
    const auto exit =
        supervisor_.WaitExit(absl::Now() + std::min(wait, kWatchInterval));
    if (exit.has_value()) {
      table_.Ended(*exit);
      if (!exit->ok() && !stopping_) ReportDeath(*exit);
      const auto code = Handle(keeper_.Ended(*exit, MonotonicNow()));
      if (code.has_value()) return *code;
    }
    // Between two lives of the learner there is nobody to save anything.
    if (stopping_ && !keeper_.IsRunning(kLearnerRole))
      return stop_code_.value_or(ExitCodeFor(ShutdownRequested()));
    if (MonotonicNow() >= kill_time_) supervisor_.Signal(kLearnerRole, SIGKILL);
    if (stopping_) continue;
    for (const auto& failed : keeper_.StartDue(MonotonicNow())) {
      const auto code = Handle(failed);
      if (code.has_value()) return *code;
    }
  }
}

std::optional<ExitCode> LocalTraining::Handle(
    const ProcessKeeper::Verdict& verdict) {
  if (verdict.unit == kLearnerRole) return LearnerEnded(verdict);
  // A worker that was drained, or saw that the run is over, is missed by no
  // one.
  if (stopping_ || !verdict.first || verdict.exit.ok()) return std::nullopt;
  LogWarning("process ended", {{"reason", verdict.decision.reason}});
  if (verdict.decision.action == RestartDecision::Action::kStartAgain)
    return std::nullopt;
  if (absl::StartsWith(verdict.unit, "rollout-")) --workers_left_;
  if (CanDoWithout(verdict.unit)) return std::nullopt;
  const bool reward = IsReward(verdict.unit);
  StopBecause(verdict.decision.reason,
              reward ? ExitCode::kRewardUnavailable : ExitCodeOf(verdict.exit));
  return std::nullopt;
}

std::optional<ExitCode> LocalTraining::LearnerEnded(
    const ProcessKeeper::Verdict& verdict) {
  if (keeper_.IsRunning(kLearnerRole)) return std::nullopt;
  const ExitCode code = ExitCodeOf(verdict.exit);
  if (stopping_) return stop_code_.value_or(code);
  using Action = RestartDecision::Action;
  switch (verdict.decision.action) {
    case Action::kStartAgain:
      LogWarning("learner goes on from its last checkpoint",
                 {{"reason", verdict.decision.reason}});
      return std::nullopt;
    case Action::kOver:
      return code;
    case Action::kGiveUp:
      stop_cause_ = verdict.decision.reason;
      return code;
  }
  return code;
}

bool LocalTraining::CanDoWithout(const std::string& unit) const {
  if (unit == kPrometheus) return true;
  return !IsReward(unit) && workers_left_ > 0;
}

// Without it no step completes: the learner saves what there is.
void LocalTraining::StopBecause(const std::string& cause, ExitCode code) {
  stop_cause_ = absl::StrCat("the run stops: ", cause);
  stop_code_ = code;
  LogError("the run cannot go on", {{"cause", cause}});
  TellLearnerToStop(SIGTERM);
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
  for (const std::string& process : roles_) {
    const auto serving = ReadAnnouncement(processes_.AnnouncePath(process));
    if (!serving.ok()) continue;
    const bool is_rank =
        absl::StartsWith(process, absl::StrCat(kLearnerRole, "-"));
    const std::string role =
        is_rank ? "rank" : process.substr(0, process.find('-'));
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
  if (requested == StopSignal::kNone || stopping_) return;
  TellLearnerToStop(requested == StopSignal::kInterrupt ? SIGINT : SIGTERM);
}

void LocalTraining::TellLearnerToStop(int signal) {
  const uint32_t grace_ms = options_.config.run().stop_grace_ms();
  stopping_ = true;
  kill_time_ = MonotonicNow() + absl::Milliseconds(grace_ms);
  LogInfo("stopping: the learner finishes its step and saves",
          {{"grace_ms", grace_ms}});
  supervisor_.Signal(kLearnerRole, signal);
}

void LocalTraining::ReportDeath(const ProcessExit& exit) const {
  std::fprintf(stderr, "%s\n",
               DescribeDeath(exit, run_->log_path(exit.role)).c_str());
}

void LocalTraining::StopOthers() {
  for (const ProcessExit& exit : supervisor_.StopAll(kStopGrace)) {
    table_.Ended(exit);
  }
}

absl::Status LocalTraining::WriteReport() {
  // Workers announced themselves after the learner was waited for.
  for (uint32_t i = 0; i < options_.config.rollout().workers(); ++i) {
    const auto serving =
        ReadAnnouncement(processes_.AnnouncePath(RolloutRole(i)));
    if (serving.ok()) table_.Serving(RolloutRole(i), *serving);
  }
  RETURN_IF_ERROR(WriteFileAtomically(JoinPath(run_->path(), "processes.json"),
                                      table_.ToJson()));
  // A run that ended early has no result to add to.
  if (!FileExists(run_->result_path())) return absl::OkStatus();
  return run_->MergeResult(
      absl::StrCat("{\"peak_rss_mib\":", table_.PeakRssJson(), "}"));
}

}  // namespace

absl::StatusOr<ExitCode> TrainLocally(const LocalTrainingOptions& options) {
  LocalTrainingOptions filled = options;
  DivideThreads(UsableCores(), filled.config);
  // All processes are on loopback addresses.
  AllowPlaintext(*filled.config.mutable_security());
  ASSIGN_OR_RETURN(GpuPlan gpus,
                   PlanGpus(UsableGpus("", std::getenv), filled.config));
  ASSIGN_OR_RETURN(
      std::unique_ptr<RunDirectory> run,
      RunDirectory::Open(filled.config.run().root(), filled.config.run().name(),
                         filled.resume ? RunDirectory::Mode::kResume
                                       : RunDirectory::Mode::kFresh));
  RETURN_IF_ERROR(AssignRewardAddresses(*filled.config.mutable_reward()));
  RETURN_IF_ERROR(run->WriteConfig(filled.config));
  return LocalTraining(filled, std::move(run), std::move(gpus)).Run();
}

}  // namespace operant
