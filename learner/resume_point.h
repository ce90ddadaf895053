// Where a run begins: at its start, or at its newest whole checkpoint.
#ifndef OPERANT_LEARNER_RESUME_POINT_H_
#define OPERANT_LEARNER_RESUME_POINT_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/nn/weight_image.h"
#include "common/run/run_directory.h"
#include "learner/checkpoint_store.h"
#include "learner/trainer_state.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

struct ResumePoint {
  std::string checkpoint;  // its folder; empty: the run's start
  HfModel model;           // the policy there
  TrainerState state;      // with the identity of this process
};

// The start of a run of `config` from `reference`.
ResumePoint StartOfRun(const v1::RunConfig& config, const HfModel& reference);

// The newest checkpoint that verifies and that `config` may go on from; the
// start, with a warning, where none was ever complete. Errors: DataLoss (a
// checkpoint that was complete is gone or broken), FailedPrecondition (another
// run, model or number of ranks wrote it: CheckResumable).
absl::StatusOr<ResumePoint> FindResumePoint(const v1::RunConfig& config,
                                            const CheckpointStore& checkpoints,
                                            const RunDirectory& directory,
                                            const HfModel& reference);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RESUME_POINT_H_
