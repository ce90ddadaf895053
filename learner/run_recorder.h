// What a run leaves behind while it goes: the console's line, metrics.jsonl,
// samples/step_N.jsonl, and the learner's Prometheus metrics.
#ifndef OPERANT_LEARNER_RUN_RECORDER_H_
#define OPERANT_LEARNER_RUN_RECORDER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/metrics.h"
#include "common/run/run_directory.h"
#include "learner/batch_source.h"
#include "learner/evaluation_summary.h"
#include "learner/experience.h"
#include "learner/step_report.h"
#include "learner/trainer_state.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// Not thread-safe.
class RunRecorder {
 public:
  // What metrics.jsonl holds beyond what `state`, the checkpoint's, knows of is
  // removed: it will be written again. Neither pointer is owned.
  static absl::StatusOr<std::unique_ptr<RunRecorder>> Create(
      const v1::RunConfig& config, const RunDirectory* directory,
      MetricRegistry* metrics, const TrainerState& state);
  virtual ~RunRecorder() = default;

  // `experience` is null when the step was skipped.
  virtual absl::Status Record(const StepReport& report,
                              const ScoredBatch& batch,
                              const Experience* experience) = 0;
  virtual absl::Status RecordEvaluation(uint64_t step,
                                        const EvaluationSummary& summary) = 0;
  // Makes the rows durable; the bytes of metrics.jsonl.
  virtual absl::StatusOr<uint64_t> Sync() = 0;
  // How writing the checkpoint at `path` ended.
  virtual void RecordCheckpoint(const absl::Status& written,
                                const std::string& path,
                                absl::Duration took) = 0;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RUN_RECORDER_H_
