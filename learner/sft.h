// Supervised training (`operant sft`): next-token prediction on rows
// {prompt, response}. With model.init: random it is pretraining and trains the
// tokenizer too. What comes out is a Hugging Face folder.
#ifndef OPERANT_LEARNER_SFT_H_
#define OPERANT_LEARNER_SFT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// How far a training is, for one line of progress.
struct SftProgress {
  int64_t step = 0;  // optimiser steps done
  int64_t total_steps = 0;
  double loss = 0;           // nats per trained token, last step
  double gradient_norm = 0;  // before clipping, last step
  double learning_rate = 0;  // of the last step
  double tokens_per_second = 0;
  double eta_seconds = 0;
};

struct SftResult {
  int64_t steps = 0;
  int64_t parameters = 0;
  int64_t vocab_size = 0;
  int64_t tokens = 0;                     // trained on, repeats counted
  double seconds = 0;                     // of training, resumed parts included
  double loss = 0;                        // mean of the last tenth of the steps
  std::optional<double> eval_perplexity;  // of data.sft_eval's responses
};

// One aligned line, no newline.
std::string FormatSftProgress(const SftProgress& progress);

// Trains as `config` (resolved and validated for kSft) says and writes sft.out,
// which must not exist yet. `on_progress` is called every two seconds and after
// the last step.
//
// Checkpoints lie in "<sft.out>.checkpoints" until the result is written; a
// later call with the same model, data and settings goes on from the newest.
// SIGINT and SIGTERM (shutdown.h) save one and return Cancelled, marked with
// the documented exit code.
//
// Errors: AlreadyExists (sft.out), FailedPrecondition (checkpoints of another
// configuration; device not there), NotFound, DataLoss (data, model folder),
// Aborted marked "diverged" (no finite gradient in several steps).
absl::StatusOr<SftResult> RunSft(
    const v1::RunConfig& config,
    const std::function<void(const SftProgress&)>& on_progress);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_SFT_H_
