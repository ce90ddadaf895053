// Everything that is told about one step, in one place: metrics.jsonl, the
// Prometheus gauges and the console line are three views of it.
#ifndef OPERANT_LEARNER_STEP_REPORT_H_
#define OPERANT_LEARNER_STEP_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "learner/experience_stats.h"
#include "learner/ppo_update.h"

namespace operant::learner {

// Wall seconds of the step's stages. Generation and scoring run on another
// thread: with staleness they overlap the rest, and `wait` is what the learner
// really stood still.
struct StageSeconds {
  double wait = 0;
  double generate = 0;
  double score = 0;
  double experience = 0;
  double update = 0;
  double publish = 0;
  double total = 0;
};

// Why a whole step was not trained on.
enum class StepSkip {
  kNone,
  kNonFinite,  // a figure of its experience is not finite
  kEmpty,      // no response could be trained on
};

struct StepReport {
  uint64_t step = 0;       // counted from 1: the steps taken so far
  uint64_t responses = 0;  // sampled for training so far
  uint64_t tokens = 0;
  double train_seconds = 0;    // so far
  int64_t step_responses = 0;  // of this step
  int64_t step_tokens = 0;
  StepSkip skip = StepSkip::kNone;
  double haywire = 0;  // share of this step's responses with a fault
  double kl_coefficient = 0;
  double learning_rate_scale = 0;
  ExperienceStats experience;
  UpdateStats update;
  StageSeconds seconds;
};

// A figure with its name in metrics.jsonl.
struct Figure {
  const char* name;
  double value;
};

// The step's figures in a fixed order; times and rates last.
std::vector<Figure> FiguresOf(const StepReport& report);

// One row of metrics.jsonl.
std::string ToJsonRow(const StepReport& report);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_STEP_REPORT_H_
