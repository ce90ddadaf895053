#include "learner/step_journal.h"

#include <utility>

#include "common/base/failpoint.h"
#include "common/base/status_macros.h"
#include "learner/batch_manifest.h"

namespace operant::learner {
namespace {

v1::ScoredRecord::Outcome OutcomeOf(const ItemScore& score) {
  switch (score.outcome) {
    case ItemScore::Outcome::kScored:
      return v1::ScoredRecord::OUTCOME_SCORED;
    case ItemScore::Outcome::kIgnored:
      return v1::ScoredRecord::OUTCOME_IGNORED;
    case ItemScore::Outcome::kDropped:
      return v1::ScoredRecord::OUTCOME_DROPPED;
    case ItemScore::Outcome::kReplaced:
      return v1::ScoredRecord::OUTCOME_REPLACED;
  }
  return v1::ScoredRecord::OUTCOME_UNSPECIFIED;
}

v1::LedgerRecord Published(uint64_t version, const std::string& sha256) {
  v1::LedgerRecord record;
  record.mutable_published()->set_policy_version(version);
  record.mutable_published()->set_weights_sha256(sha256);
  return record;
}

}  // namespace

void StepJournal::AppendScores(const ScoredBatch& batch,
                               const v1::BatchManifest& manifest) {
  for (size_t i = 0; i < batch.scores.size(); ++i) {
    const v1::Trajectory& t = batch.trajectories[i];
    v1::LedgerRecord record;
    v1::ScoredRecord* scored = record.mutable_scored();
    scored->set_step(batch.step);
    scored->set_trajectory_id(t.id());
    scored->set_prompt_cursor(t.seed_key().prompt_cursor());
    scored->set_sample_index(t.seed_key().sample_index());
    scored->set_trajectory_digest(
        manifest.entries(static_cast<int>(i)).digest());
    scored->set_outcome(OutcomeOf(batch.scores[i]));
    scored->set_score(batch.scores[i].score);
    scored->set_server(batch.scores[i].server);
    ledger_->Append(std::move(record));
  }
}

absl::Status StepJournal::Choose(const ScoredBatch& batch) {
  RETURN_IF_ERROR(order_.Choose(batch.step));
  RETURN_IF_ERROR(Failpoint("journal.manifest"));
  ASSIGN_OR_RETURN(
      v1::BatchManifest manifest,
      MakeBatchManifest(batch.trajectories, {.step = batch.step,
                                             .policy_version = batch.step,
                                             .staleness = staleness_,
                                             .next_cursor = batch.next_cursor,
                                             .samples = batch.rows.size()}));
  AppendScores(batch, manifest);
  manifest_sha256_ = ManifestDigest(manifest);
  v1::LedgerRecord record;
  *record.mutable_manifest() = std::move(manifest);
  ledger_->Append(std::move(record));
  return ledger_->Flush();
}

absl::Status StepJournal::Commit(uint64_t step, bool skipped,
                                 const std::string& weights_sha256) {
  RETURN_IF_ERROR(order_.Commit(step));
  RETURN_IF_ERROR(Failpoint("journal.step"));
  v1::LedgerRecord record;
  v1::StepRecord* committed = record.mutable_committed();
  committed->set_step(step);
  committed->set_manifest_sha256(manifest_sha256_);
  committed->set_skipped(skipped);
  ledger_->Append(std::move(record));
  RETURN_IF_ERROR(order_.Publish(step + 1));
  ledger_->Append(Published(step + 1, weights_sha256));
  return ledger_->Flush();
}

absl::Status StepJournal::Cut(uint64_t steps, uint64_t oldest_kept) {
  RETURN_IF_ERROR(order_.Cut(steps));
  v1::LedgerRecord record;
  record.mutable_checkpoint()->set_step(steps);
  record.mutable_checkpoint()->set_oldest_kept(oldest_kept);
  RETURN_IF_ERROR(Failpoint("journal.cut"));
  ledger_->Append(std::move(record));
  return ledger_->Flush();
}

absl::Status StepJournal::Begin(uint64_t version,
                                const std::string& weights_sha256) {
  ledger_->Append(Published(version, weights_sha256));
  return ledger_->Flush();
}

}  // namespace operant::learner
