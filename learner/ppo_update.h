// The optimiser steps of one PPO step: epochs, minibatches, micro-batches.
#ifndef OPERANT_LEARNER_PPO_UPDATE_H_
#define OPERANT_LEARNER_PPO_UPDATE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "common/nn/causal_lm.h"
#include "learner/collective.h"
#include "learner/experience.h"
#include "learner/shared_optimizer.h"
#include "learner/trace_writer.h"
#include "learner/value_head.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// What is trained. Not owned. The optimiser holds the policy's and the value
// head's parameters, as groups with learning rates of their own, and clips.
struct PpoLearner {
  CausalLm* policy = nullptr;
  TrainableValueHead* value_head = nullptr;
  SharedOptimizer* optimizer = nullptr;
  Collective* collective = nullptr;  // the optimiser's
};

struct UpdateOptions {
  const v1::PpoSection* ppo = nullptr;  // resolved; read during the call only
  int64_t minibatch_samples = 0;        // responses per optimiser step; 0: all
  int64_t microbatch_tokens = 8192;     // of one pass, padding included
  double temperature = 1;               // of the sampler
  uint64_t seed = 0;                    // of the shuffle and the selection
  uint64_t step = 0;
  double learning_rate_scale = 1;  // of the schedule
  TraceWriter* trace = nullptr;    // takes the passes' times; null: nobody
};

// Means over the optimiser steps, as seen by the passes before each of them.
struct UpdateStats {
  int64_t optimizer_steps = 0;
  int64_t skipped_steps = 0;  // loss or gradient not finite: nothing changed
  int64_t non_finite_losses = 0;  // of the skipped steps; else the gradient
  int64_t kept_responses = 0;     // trained on (ppo.train_fraction)
  int64_t microbatches = 0;       // of this rank

  double policy_loss = 0;
  double value_loss = 0;
  double entropy = 0;       // nats per token
  double clip_low = 0;      // share of tokens held at 1 - epsilon
  double clip_high = 0;     // share held at 1 + epsilon
  double update_kl_k1 = 0;  // KL(pi_old || pi_theta) per token
  double update_kl_k2 = 0;
  double update_kl_k3 = 0;
  // Largest |ratio - 1| before the first optimiser step: what two
  // implementations of one model differ by.
  double initial_ratio_deviation = 0;

  double gradient_norm = 0;  // before clipping
  double max_gradient_norm = 0;
  int64_t clipped_steps = 0;
};

// Trains on one step's experience. An optimiser step whose loss or gradient is
// not finite is skipped and counted.
//
// All losses are weighted sums over tokens divided by the weighted tokens of
// the whole minibatch, so neither micro-batching nor the number of ranks
// changes the gradient: each rank takes its share of every minibatch, and the
// sums over the ranks are the minibatch's. All ranks give the same experience
// and options, and return the same stats, but for `microbatches`, their own.
//
// Errors: those of the collective; Internal if |ratio - 1| passes
// ppo.ratio_tolerance before the first optimiser step (nothing was changed):
// old_logp was not taken from these weights; ResourceExhausted (out of memory:
// lower learner.microbatch_tokens).
absl::StatusOr<UpdateStats> PpoUpdate(const Experience& experience,
                                      const UpdateOptions& options,
                                      const PpoLearner& learner);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_PPO_UPDATE_H_
