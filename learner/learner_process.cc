#include "learner/learner_process.h"

#include <cstdio>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/config.h"
#include "common/base/file_io.h"
#include "common/base/health.h"
#include "common/base/http_server.h"
#include "common/base/log.h"
#include "common/base/metric_families.h"
#include "common/base/metric_registration.h"
#include "common/base/rpc.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "common/reward_client/routing.h"
#include "common/run/announcement.h"
#include "common/run/run_directory.h"
#include "common/run/scrape_targets.h"
#include "learner/batch_source.h"
#include "learner/checkpoint_store.h"
#include "learner/closing_report.h"
#include "learner/coordinator.h"
#include "learner/detector_check.h"
#include "learner/evaluation.h"
#include "learner/learner_inputs.h"
#include "learner/learner_metrics.h"
#include "learner/ledger.h"
#include "learner/policy_trainer.h"
#include "learner/rank_group.h"
#include "learner/rank_lead.h"
#include "learner/resume_point.h"
#include "learner/rollout_client.h"
#include "learner/run_recorder.h"
#include "learner/start_banner.h"
#include "learner/step_journal.h"
#include "learner/train_loop.h"
#include "learner/weight_publisher.h"

namespace operant::learner {
namespace {

// A step that takes longer than this without a sign of life is not live.
constexpr absl::Duration kProgressLimit = absl::Minutes(20);
// How long workers get to see that the run is over.
constexpr absl::Duration kFarewell = absl::Milliseconds(1500);

// One evaluation on the held-out prompts.
struct HeldOut {
  std::vector<EvaluatedResponse> responses;
  EvaluationSummary summary;
  double seconds = 0;
};

// The process's parts, made in the order of their dependence and destroyed in
// the reverse.
class LearnerSession {
 public:
  explicit LearnerSession(const LearnerOptions& options)
      : options_(options), config_(options.config) {}

  absl::Status Run() {
    RETURN_IF_ERROR(OpenRun());
    RETURN_IF_ERROR(Serve());
    RETURN_IF_ERROR(ConnectRewards());
    RETURN_IF_ERROR(PrepareTraining());
    RETURN_IF_ERROR(OpenLedger());
    RETURN_IF_ERROR(PublishStart());
    RETURN_IF_ERROR(EvaluateRaw());
    const absl::Status trained = Train();
    const absl::Status finished = trained.ok() ? Finish() : trained;
    // The run goes on once the ranks are started again: workers stay.
    RETURN_IF_ERROR(ranks_->verdict());
    coordinator_->FinishRun();
    SleepUnlessShutdown(kFarewell);
    ranks_->Finish();
    return finished;
  }

 private:
  absl::Status OpenRun();
  absl::Status Serve();
  absl::Status ConnectRewards();
  absl::Status CreateTrainer(const HfModel& start,
                             const std::string& checkpoint);
  absl::Status PrepareTraining();
  uint64_t CheckpointBytes() const;
  absl::Status OpenLedger();
  absl::Status PublishStart();
  absl::Status EvaluateRaw();
  absl::Status Train();
  absl::Status Finish();

  absl::StatusOr<HeldOut> Evaluate(uint64_t version, uint32_t samples);
  absl::Status WriteCheckpointFiles(const TrainerState& state,
                                    const std::string& folder);
  // What /sd tells a Prometheus that follows this learner: the workers that
  // registered, wherever they run.
  std::string Targets() const;
  std::string RunId() const { return config_.run().name(); }

  const LearnerOptions& options_;
  const v1::RunConfig& config_;

  LearnerInputs inputs_;
  std::unique_ptr<RunDirectory> directory_;
  std::unique_ptr<MetricRegistry> metrics_ =
      CreateMetricsFor(MetricRole::kLearner);
  Health health_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<RankLead> ranks_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<Ledger> ledger_;  // outlives what appends to it
  std::unique_ptr<StepJournal> journal_;
  std::unique_ptr<RewardGateway> rewards_;
  std::unique_ptr<RolloutClient> rollouts_;
  std::unique_ptr<CheckpointStore> checkpoints_;
  std::unique_ptr<PolicyTrainer> trainer_;
  std::unique_ptr<WeightPublisher> publisher_;
  std::unique_ptr<RunRecorder> recorder_;
  std::unique_ptr<Evaluator> evaluator_;
  std::unique_ptr<ClosingReport> report_;
  TrainerState state_;
  bool resumed_ = false;  // state_ was read from a checkpoint
};

absl::Status LearnerSession::OpenRun() {
  ExportRun(config_, absl::Now(), metrics_.get());
  ASSIGN_OR_RETURN(inputs_, LoadLearnerInputs(config_));
  RETURN_IF_ERROR(RankCollective(config_.learner()).status());
  ASSIGN_OR_RETURN(
      directory_,
      RunDirectory::Open(config_.run().root(), config_.run().name(),
                         options_.resume ? RunDirectory::Mode::kResume
                                         : RunDirectory::Mode::kFresh));
  checkpoints_ =
      std::make_unique<CheckpointStore>(directory_->checkpoints_path());
  return directory_->WriteConfig(config_);
}

absl::Status LearnerSession::Serve() {
  const v1::RolloutSection& rollout = config_.rollout();
  coordinator_ = Coordinator::Create(
      {.run_id = RunId(),
       .model_config_json = inputs_.reference.config_json,
       .model_digest = ModelDigest(inputs_.reference.config),
       .tokenizer_digest = inputs_.tokenizer->digest(),
       .config_yaml = ConfigToYaml(config_),
       .heartbeat_interval =
           absl::Milliseconds(rollout.heartbeat_interval_ms()),
       .limits = {.max_workers = static_cast<int>(rollout.max_workers()),
                  .heartbeat_timeout =
                      absl::Milliseconds(rollout.heartbeat_timeout_ms())}},
      metrics_.get());
  ASSIGN_OR_RETURN(
      http_, HttpServer::Create(options_.http,
                                {.metrics = metrics_.get(),
                                 .health = &health_,
                                 .targets = [this] { return Targets(); }}));
  std::vector<grpc::Service*> services = coordinator_->services();
  ranks_ = std::make_unique<RankLead>(config_,
                                      ModelDigest(inputs_.reference.config));
  if (ranks_->service() != nullptr) services.push_back(ranks_->service());
  ASSIGN_OR_RETURN(server_,
                   RpcServer::Create({.address = options_.listen,
                                      .services = services,
                                      .credentials = options_.credentials,
                                      .metrics = metrics_.get()}));
  RETURN_IF_ERROR(WriteAnnouncement(
      options_.announce_path,
      {.address = server_->address(), .metrics = http_->address()}));
  health_.SetStarted();
  LogInfo("learner serving",
          {{"address", server_->address()}, {"metrics", http_->address()}});
  return absl::OkStatus();
}

absl::Status LearnerSession::CreateTrainer(const HfModel& start,
                                           const std::string& checkpoint) {
  ASSIGN_OR_RETURN(
      trainer_, PolicyTrainer::Create(config_, start, inputs_.reference,
                                      ranks_->collective(), ranks_->trace()));
  if (!checkpoint.empty()) RETURN_IF_ERROR(trainer_->LoadState(checkpoint));
  trainer_ = ranks_->Lead(std::move(trainer_));
  return trainer_->Synchronize();
}

std::string LearnerSession::Targets() const {
  std::vector<ScrapeTarget> targets;
  for (const Worker& worker : coordinator_->workers())
    targets.push_back({worker.metrics_address, "rollout", worker.id});
  return ScrapeTargetsJson(RunId(), targets);
}

absl::Status LearnerSession::ConnectRewards() {
  std::set<std::string> sources;
  for (const auto* rows : {&inputs_.prompts, &inputs_.eval_prompts}) {
    for (const PromptRow& row : *rows) sources.insert(row.data_source);
  }
  RETURN_IF_ERROR(CheckDataSources(config_.reward(), sources));
  ASSIGN_OR_RETURN(
      rewards_,
      RewardGateway::Create({.config = config_.reward(),
                             .run_id = RunId(),
                             .tokenizer_digest = inputs_.tokenizer->digest(),
                             .credentials = options_.credentials},
                            metrics_.get()));
  return rewards_->Handshake();
}

// Weights and both moments of the optimiser, fp32; the copied files are small
// beside them.
uint64_t LearnerSession::CheckpointBytes() const {
  return 3 * trainer_->Weights()->bytes().size();
}

absl::Status LearnerSession::PrepareTraining() {
  ASSIGN_OR_RETURN(ResumePoint point,
                   options_.resume
                       ? FindResumePoint(config_, *checkpoints_, *directory_,
                                         inputs_.reference)
                       : StartOfRun(config_, inputs_.reference));
  state_ = std::move(point.state);
  resumed_ = !point.checkpoint.empty();
  RETURN_IF_ERROR(ranks_->Gather(
      options_.advertised.empty() ? server_->address() : options_.advertised,
      metrics_.get()));
  RETURN_IF_ERROR(CreateTrainer(point.model, point.checkpoint));
  RETURN_IF_ERROR(checkpoints_->Reserve(CheckpointBytes()));
  publisher_ = std::make_unique<WeightPublisher>(
      coordinator_.get(), metrics_.get(), state_.model_digest,
      absl::Milliseconds(config_.rollout().push_deadline_ms()),
      options_.credentials->ForPeer(v1::ROLE_ROLLOUT));
  rollouts_ = RolloutClient::Create(
      {.worker_wait = absl::Milliseconds(config_.learner().worker_wait_ms()),
       .call_deadline =
           absl::Milliseconds(config_.rollout().generate_deadline_ms()),
       .to_workers = options_.credentials->ForPeer(v1::ROLE_ROLLOUT)},
      coordinator_.get(), metrics_.get());
  ASSIGN_OR_RETURN(recorder_, RunRecorder::Create(config_, directory_.get(),
                                                  metrics_.get(), state_));
  evaluator_ = std::make_unique<Evaluator>(
      inputs_.eval_prompts, inputs_.training_responses,
      Evaluator::Parts{.generate =
                           [this](const GenerationPlan& plan) {
                             return rollouts_->Generate(plan);
                           },
                       .rewards = rewards_.get(),
                       .tokenizer = inputs_.tokenizer.get(),
                       .reference = &trainer_->reference()});
  report_ = std::make_unique<ClosingReport>(directory_.get());
  return absl::OkStatus();
}

absl::Status LearnerSession::OpenLedger() {
  ASSIGN_OR_RETURN(ledger_,
                   Ledger::Open({.path = directory_->ledger_path(),
                                 .run_id = RunId(),
                                 .model_digest = state_.model_digest,
                                 .resumed_step = state_.step,
                                 .keep_payloads_for_checkpoint =
                                     config_.checkpoint().every_steps() > 0}));
  journal_ = std::make_unique<StepJournal>(
      ledger_.get(), config_.learner().staleness(), state_.step);
  // Responses of the versions before the checkpoint may be held.
  ASSIGN_OR_RETURN(const auto published,
                   ledger_->Published(config_.learner().staleness() + 1));
  coordinator_->RememberPublished(published);
  LogInfo("ledger open", {{"epoch", ledger_->epoch()}, {"steps", state_.step}});
  return absl::OkStatus();
}

absl::Status LearnerSession::PublishStart() {
  std::fputs(StartBanner(config_, inputs_, rewards_->infos(),
                         directory_->path(), state_.step)
                 .c_str(),
             stdout);
  std::fflush(stdout);
  ASSIGN_OR_RETURN(const PublishReport published,
                   publisher_->Publish(trainer_->Weights(), state_.step,
                                       [this](const std::string& digest) {
                                         return journal_->Begin(state_.step,
                                                                digest);
                                       }));
  LogInfo("published the start weights", {{"version", published.version}});
  health_.ExpectProgress(kProgressLimit);
  health_.SetReady(true, "training");
  return absl::OkStatus();
}

absl::StatusOr<HeldOut> LearnerSession::Evaluate(uint64_t version,
                                                 uint32_t samples) {
  const absl::Time start = absl::Now();
  HeldOut result;
  ASSIGN_OR_RETURN(result.responses,
                   evaluator_->Run({.run_id = RunId(),
                                    .seed = config_.eval().seed(),
                                    .samples = static_cast<int>(samples),
                                    .sampling = inputs_.eval_sampling,
                                    .vocab_size = static_cast<int32_t>(
                                        inputs_.reference.config.vocab_size),
                                    .policy_version = version}));
  result.summary = Summarize(result.responses, inputs_.training_responses);
  const absl::Duration took = absl::Now() - start;
  result.seconds = absl::ToDoubleSeconds(took);
  ExportEvaluation(result.summary, took, metrics_.get());
  return result;
}

// The start weights, once per run: a resumed run finds them in its directory.
absl::Status LearnerSession::EvaluateRaw() {
  if (inputs_.eval_prompts.empty() || state_.step > 0) return absl::OkStatus();
  if (!inputs_.real_rows.empty()) {
    ASSIGN_OR_RETURN(const double rate, DetectorFalsePositiveRate(
                                            inputs_.real_rows, rewards_.get()));
    RETURN_IF_ERROR(report_->AddDetectorCheck(rate));
  }
  ASSIGN_OR_RETURN(const HeldOut raw,
                   Evaluate(/*version=*/0, config_.eval().final_samples()));
  return report_->AddRaw(raw.responses, raw.summary, raw.seconds);
}

absl::Status LearnerSession::Train() {
  PromptSource prompts(inputs_.prompts, config_.run().seed(),
                       config_.data().keep_order());
  const v1::LearnerSection& learner = config_.learner();
  BatchSource source(
      {.run_id = RunId(),
       .run_seed = config_.run().seed(),
       .prompts_per_step = static_cast<int>(learner.prompts_per_step()),
       .samples_per_prompt = static_cast<int>(learner.samples_per_prompt()),
       .sampling = inputs_.sampling,
       .vocab_size = static_cast<int32_t>(inputs_.reference.config.vocab_size),
       .first_step = state_.step,
       .first_cursor = state_.next_cursor,
       .staleness = learner.staleness(),
       .end_step = learner.steps(),
       .one_version = config_.run().deterministic()},
      {.prompts = &prompts,
       .rollouts = rollouts_.get(),
       .rewards = rewards_.get(),
       .tokenizer = inputs_.tokenizer.get(),
       .ledger = ledger_.get(),
       .metrics = metrics_.get()},
      /*published=*/state_.step);
  TrainLoop::Parts parts{.source = &source,
                         .trainer = trainer_.get(),
                         .publisher = publisher_.get(),
                         .recorder = recorder_.get(),
                         .checkpoints = checkpoints_.get(),
                         .journal = journal_.get(),
                         .health = &health_};
  parts.write_checkpoint = [this](const TrainerState& state,
                                  const std::string& folder) {
    return WriteCheckpointFiles(state, folder);
  };
  if (!inputs_.eval_prompts.empty()) {
    parts.evaluate =
        [this](uint64_t version) -> absl::StatusOr<EvaluationSummary> {
      ASSIGN_OR_RETURN(const HeldOut held_out,
                       Evaluate(version, config_.eval().samples()));
      return held_out.summary;
    };
  }
  TrainLoop loop(config_, parts, state_, resumed_);
  const absl::Status status = loop.Run();
  state_ = loop.state();
  return status;
}

absl::Status LearnerSession::WriteCheckpointFiles(const TrainerState& state,
                                                  const std::string& folder) {
  RETURN_IF_ERROR(SaveHfModel(
      folder, inputs_.reference.config, inputs_.reference.config_json,
      *trainer_->Weights(), WeightType::kF32, config_.model().path()));
  RETURN_IF_ERROR(WriteTrainerState(folder, state));
  RETURN_IF_ERROR(WriteFileAtomically(
      JoinPath(folder, "trainer_state/config.yaml"), ConfigToYaml(config_)));
  return trainer_->SaveState(folder);
}

absl::Status LearnerSession::Finish() {
  metrics_->Get(metric::kLearnerFinished).Set(1);
  RETURN_IF_ERROR(
      SaveHfModel(directory_->model_path(), inputs_.reference.config,
                  inputs_.reference.config_json, *trainer_->Weights(),
                  WeightType::kF32, config_.model().path()));
  RETURN_IF_ERROR(report_->AddTraining(state_));
  if (inputs_.eval_prompts.empty())
    return report_->Print(inputs_.prompts.front().prompt);
  ASSIGN_OR_RETURN(const HeldOut trained,
                   Evaluate(state_.step, config_.eval().final_samples()));
  RETURN_IF_ERROR(
      report_->AddTrained(trained.responses, trained.summary, trained.seconds));
  return report_->Print(inputs_.eval_prompts.front().prompt);
}

}  // namespace

absl::Status RunLearner(const LearnerOptions& options) {
  LearnerSession session(options);
  return session.Run();
}

}  // namespace operant::learner
