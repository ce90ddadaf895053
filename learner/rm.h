// `operant rm`: a reward model from preference pairs. What comes out is a
// Hugging Face sequence-classification folder that the preference-model scorer
// serves.
#ifndef OPERANT_LEARNER_RM_H_
#define OPERANT_LEARNER_RM_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "learner/rm_trainer.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

struct RmProgress {
  int64_t step = 0;  // optimiser steps done
  int64_t total_steps = 0;
  double loss = 0;      // of a pair, last step
  double accuracy = 0;  // of the last step's pairs, before it
  double gradient_norm = 0;
  double learning_rate = 0;
  double pairs_per_second = 0;
  double eta_seconds = 0;
};

struct RmResult {
  int64_t steps = 0;
  int64_t pairs = 0;                     // in the data
  double seconds = 0;                    // of training, resumed parts included
  RmEvaluation trained;                  // of data.preferences
  std::optional<RmEvaluation> held_out;  // of data.preferences_eval
};

// One aligned line, no newline.
std::string FormatRmProgress(const RmProgress& progress);

// Trains as `config` (resolved and validated for kRm) says, from model.path,
// and writes rm.out, which must not exist yet. A signal saves in
// "<rm.out>.checkpoints" and returns Cancelled; a later call with the same
// model, data and settings goes on from there. `on_progress` is called every
// two seconds and after the last step.
//
// Errors: AlreadyExists (rm.out), FailedPrecondition (a checkpoint of another
// configuration; device not there), NotFound, DataLoss (data: file and line;
// model folder; a pair longer than the model's context, unless data.overlong
// drops it), Aborted marked "diverged".
absl::StatusOr<RmResult> RunRm(
    const v1::RunConfig& config,
    const std::function<void(const RmProgress&)>& on_progress);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RM_H_
