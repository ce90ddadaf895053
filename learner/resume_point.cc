#include "learner/resume_point.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/build_name.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/run/process_stats.h"
#include "learner/ledger_reader.h"

namespace operant::learner {
namespace {

// `state` as one that this process writes.
TrainerState WithIdentity(TrainerState state, const v1::RunConfig& config,
                          const HfModel& reference) {
  state.model_digest = ModelDigest(reference.config);
  state.run_id = config.run().name();
  state.ranks = std::max<uint64_t>(1, config.learner().ranks());
  state.threads = config.learner().threads();
  state.build = BuildName();
  state.processor = CpuName();
  return state;
}

// DataLoss: the ledger knows of a checkpoint, though none is there.
absl::Status CheckNoneIsGone(const RunDirectory& directory) {
  if (!FileExists(directory.ledger_path())) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto ledger,
                   LedgerReader::Open(directory.ledger_path()));
  ASSIGN_OR_RETURN(const LedgerTotals totals, ledger->Totals());
  if (totals.last_checkpoint == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "cannot go on with ", directory.path(), ": checkpoint step_",
      totals.last_checkpoint, " was complete and is gone; restore it, or ",
      "start a new run"));
}

}  // namespace

ResumePoint StartOfRun(const v1::RunConfig& config, const HfModel& reference) {
  return {.checkpoint = "",
          .model = reference,
          .state = WithIdentity({}, config, reference)};
}

absl::StatusOr<ResumePoint> FindResumePoint(const v1::RunConfig& config,
                                            const CheckpointStore& checkpoints,
                                            const RunDirectory& directory,
                                            const HfModel& reference) {
  absl::StatusOr<std::string> latest = checkpoints.Latest();
  if (absl::IsNotFound(latest.status())) {
    RETURN_IF_ERROR(CheckNoneIsGone(directory));
    LogWarning("no checkpoint yet: the run begins at its start",
               {{"path", directory.path()}});
    return StartOfRun(config, reference);
  }
  ASSIGN_OR_RETURN(std::string checkpoint, std::move(latest));
  // Its identity first: the model of another may not even load.
  ASSIGN_OR_RETURN(const TrainerState saved, ReadTrainerState(checkpoint));
  TrainerState state = WithIdentity(saved, config, reference);
  RETURN_IF_ERROR(CheckResumable(
      checkpoint, saved, state,
      {.deterministic = config.run().deterministic(),
       .allow_other_ranks = config.learner().allow_other_ranks()}));
  ASSIGN_OR_RETURN(HfModel model, LoadHfModel(checkpoint));
  return ResumePoint{.checkpoint = std::move(checkpoint),
                     .model = std::move(model),
                     .state = std::move(state)};
}

}  // namespace operant::learner
