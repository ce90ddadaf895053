#include "cli/engine_sampler.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/digest.h"
#include "common/base/exit_code.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"

namespace operant::cli {
namespace {

// Nothing runs yet: the first weights are in at the next decode boundary.
constexpr absl::Duration kSwapTimeout = absl::Seconds(60);
// How soon an interruption is noticed.
constexpr absl::Duration kWaitInterval = absl::Milliseconds(200);
// An evaluation has all its samples in the queue at once.
constexpr size_t kQueueSamples = 1 << 22;

rollout::Sampling SamplingOf(const v1::SamplingParams& params) {
  return {
      .temperature = params.temperature(),
      .top_p = params.top_p() > 0 ? params.top_p() : 1,
      .top_k = params.top_k(),
      .max_response_tokens = static_cast<int32_t>(params.max_response_tokens()),
      .stop_token_ids = {params.stop_token_ids().begin(),
                         params.stop_token_ids().end()}};
}

// The requests of a plan; request i finishes into out[i].
std::vector<rollout::SampleRequest> Requests(
    const learner::GenerationPlan& plan, std::vector<v1::Trajectory>& out) {
  std::vector<rollout::SampleRequest> requests;
  for (const auto& prompt : plan.prompts) {
    auto group = std::make_shared<rollout::SampleGroup>();
    group->group_id = TrajectoryId(plan.run_id, prompt.cursor, 0);
    group->prompt_token_ids = prompt.token_ids;
    group->sampling = SamplingOf(plan.rules.sampling);
    group->run_seed = plan.run_seed;
    group->prompt_cursor = prompt.cursor;
    for (int i = 0; i < prompt.samples; ++i) {
      requests.push_back(
          {.group = group,
           .trajectory_id = TrajectoryId(plan.run_id, prompt.cursor, i),
           .sample_index = static_cast<uint32_t>(i),
           .on_finished = nullptr});
    }
  }
  out.resize(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    // Each writes its own element; WaitIdle orders them before the reader.
    requests[i].on_finished = [&slot = out[i]](v1::Trajectory trajectory) {
      slot = std::move(trajectory);
    };
  }
  return requests;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EngineSampler>> EngineSampler::Create(
    const HfModel& model, const InferenceModel::Options& options) {
  ASSIGN_OR_RETURN(auto engine, rollout::GenerationEngine::Create(
                                    {.model = model.config,
                                     .inference = options,
                                     .queue_samples = kQueueSamples,
                                     .worker_id = "local"},
                                    /*metrics=*/nullptr,
                                    /*health=*/nullptr));
  ASSIGN_OR_RETURN(auto weights, engine->Pack(*model.weights));
  RETURN_IF_ERROR(engine
                      ->Swap({.version = 0,
                              .weights_digest = std::string(32, '\0'),
                              .weights = std::move(weights)},
                             absl::Now() + kSwapTimeout)
                      .status());
  return std::unique_ptr<EngineSampler>(new EngineSampler(std::move(engine)));
}

absl::StatusOr<std::vector<v1::Trajectory>> EngineSampler::Generate(
    const learner::GenerationPlan& plan) {
  std::vector<v1::Trajectory> trajectories;
  RETURN_IF_ERROR(engine_->Submit(Requests(plan, trajectories)));
  while (!engine_->WaitIdle(absl::Now() + kWaitInterval)) {
    if (ShutdownRequested() == StopSignal::kNone) continue;
    // The callbacks write into `trajectories`: none may come later.
    engine_->AbortAll();
    engine_->WaitIdle(absl::InfiniteFuture());
    return WithExitCode(absl::CancelledError("evaluation interrupted"),
                        ExitCodeFor(ShutdownRequested()));
  }
  return trajectories;
}

}  // namespace operant::cli
