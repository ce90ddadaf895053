#include "tests/chaos/crash/small_run.h"

#include <set>
#include <span>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/nn/safetensors.h"
#include "learner/trainer_state.h"
#include "learner/trajectory_digest.h"

namespace operant::chaos {
namespace {

constexpr int kTokens = 150;       // a response: its row fills pages
constexpr int64_t kWeights = 700;  // floats

v1::LedgerRecord AcceptedRecord(uint64_t step, const v1::Trajectory& t) {
  v1::LedgerRecord record;
  record.mutable_accepted()->set_step(step);
  record.mutable_accepted()->set_digest(learner::TrajectoryDigest(t));
  *record.mutable_accepted()->mutable_trajectory() = t;
  return record;
}

learner::ScoredBatch BatchOf(uint64_t step) {
  learner::ScoredBatch batch;
  batch.step = step;
  batch.next_cursor = step + 1;
  batch.rows.assign(kSamplesPerStep, nullptr);
  for (int i = 0; i < kSamplesPerStep; ++i) {
    batch.trajectories.push_back(SampleOf(step, i));
    ItemScore score;
    score.outcome = ItemScore::Outcome::kScored;
    score.score = i;
    score.server = "made up";
    batch.scores.push_back(std::move(score));
  }
  return batch;
}

absl::Status WriteCheckpoint(uint64_t step, const std::string& folder) {
  RETURN_IF_ERROR(WriteFileAtomically(folder + "/config.json", "{}"));
  ASSIGN_OR_RETURN(
      const std::unique_ptr<SafetensorsWriter> writer,
      SafetensorsWriter::Create(folder + "/model.safetensors",
                                {{.name = "w", .shape = {kWeights}}}));
  const std::string weights = WeightsOf(step);
  RETURN_IF_ERROR(
      writer->Append(std::as_bytes(std::span(weights.data(), weights.size()))));
  RETURN_IF_ERROR(writer->Commit());
  return learner::WriteTrainerState(folder,
                                    {.step = step, .next_cursor = step});
}

}  // namespace

v1::Trajectory SampleOf(uint64_t step, int index) {
  v1::Trajectory t;
  t.set_id(absl::StrCat("t", step, ".", index));
  t.mutable_seed_key()->set_prompt_cursor(step);
  t.mutable_seed_key()->set_sample_index(index);
  for (int i = 0; i < kTokens; ++i) {
    t.add_response_token_ids(static_cast<int>(step) + index + i);
    t.add_response_logprobs(-1);
  }
  t.set_finish(v1::FINISH_REASON_LENGTH);
  t.add_versions()->set_policy_version(step);
  t.mutable_versions(0)->set_tokens(kTokens);
  return t;
}

std::string WeightsOf(uint64_t step) {
  std::string weights;
  for (int64_t i = 0; i < kWeights; ++i)
    absl::StrAppend(&weights,
                    absl::Dec((step * 31 + i) % 10000, absl::kZeroPad4));
  return weights;
}

absl::StatusOr<std::unique_ptr<SmallRun>> SmallRun::Open(
    const std::string& root, Acknowledged acknowledged) {
  auto run = absl::WrapUnique(new SmallRun);
  run->acknowledged_ = std::move(acknowledged);
  ASSIGN_OR_RETURN(
      run->directory_,
      RunDirectory::Open(root, kRunName, RunDirectory::Mode::kResume));
  run->checkpoints_ = std::make_unique<learner::CheckpointStore>(
      run->directory_->checkpoints_path());
  const absl::StatusOr<std::string> latest = run->checkpoints_->Latest();
  if (latest.ok()) {
    ASSIGN_OR_RETURN(const learner::TrainerState state,
                     learner::ReadTrainerState(*latest));
    run->resumed_step_ = run->step_ = state.step;
  } else if (!absl::IsNotFound(latest.status())) {
    return latest.status();
  }
  // What the ledger says of later steps is taken back.
  for (const char* what : {"manifests", "steps"})
    run->acknowledged_(what, run->step_);
  run->acknowledged_("published", run->step_);
  ASSIGN_OR_RETURN(run->ledger_, learner::Ledger::Open(
                                     {.path = run->directory_->ledger_path(),
                                      .run_id = kRunName,
                                      .model_digest = "model",
                                      .resumed_step = run->step_}));
  run->journal_ = std::make_unique<learner::StepJournal>(
      run->ledger_.get(), /*staleness=*/0, run->step_);
  RETURN_IF_ERROR(
      run->journal_->Begin(run->step_, Sha256(WeightsOf(run->step_))));
  return run;
}

absl::Status SmallRun::AcceptSamples() {
  ASSIGN_OR_RETURN(const std::vector<v1::Trajectory> held,
                   ledger_->Accepted(step_));
  std::set<std::string> ids;
  for (const v1::Trajectory& t : held) ids.insert(t.id());
  for (int i = 0; i < kSamplesPerStep; ++i) {
    const v1::Trajectory sample = SampleOf(step_, i);
    if (ids.contains(sample.id())) continue;
    const uint64_t count = step_ * kSamplesPerStep + i + 1;
    ledger_->Append(AcceptedRecord(step_, sample),
                    [this, count](const absl::Status& status) {
                      if (status.ok()) acknowledged_("accepted", count);
                    });
    // Half of them together, half each by itself.
    if (i % 2 == 1) RETURN_IF_ERROR(ledger_->Flush());
  }
  return ledger_->Flush();
}

absl::Status SmallRun::Train() {
  RETURN_IF_ERROR(journal_->Choose(BatchOf(step_)));
  acknowledged_("manifests", step_ + 1);
  RETURN_IF_ERROR(
      journal_->Commit(step_, /*skipped=*/false, Sha256(WeightsOf(step_ + 1))));
  acknowledged_("steps", step_ + 1);
  acknowledged_("published", step_ + 1);
  return absl::OkStatus();
}

absl::Status SmallRun::Checkpoint() {
  RETURN_IF_ERROR(checkpoints_->Write(step_, [this](const std::string& folder) {
    return WriteCheckpoint(step_, folder);
  }));
  acknowledged_("checkpoint", step_);
  const std::vector<uint64_t> steps = checkpoints_->steps();
  const size_t kept = std::min<size_t>(kKeptCheckpoints, steps.size());
  RETURN_IF_ERROR(journal_->Cut(step_, steps[steps.size() - kept]));
  return checkpoints_->Prune(kKeptCheckpoints, ~uint64_t{0});
}

absl::Status SmallRun::Step() {
  RETURN_IF_ERROR(AcceptSamples());
  RETURN_IF_ERROR(Train());
  ++step_;
  return step_ % kStepsPerCheckpoint == 0 ? Checkpoint() : absl::OkStatus();
}

}  // namespace operant::chaos
