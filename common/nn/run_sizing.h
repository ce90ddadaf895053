// What a model needs of a cluster: ranks, workers, memory, network. Arithmetic
// of what this program holds and sends; nothing is measured here.
#ifndef OPERANT_COMMON_NN_RUN_SIZING_H_
#define OPERANT_COMMON_NN_RUN_SIZING_H_

#include <cstdint>
#include <string>

#include "common/nn/model_config.h"

namespace operant {

// What one rank, or one worker, has: a GPU, or a machine without. Rates are
// what a program reaches, not what is printed on the box.
struct Machine {
  std::string name;
  uint64_t memory_bytes = 0;    // that can be filled
  double flops_per_second = 0;  // of matrix products in fp32
  double bytes_per_second = 0;  // of its memory
};

// The run, by the keys that matter.
struct SizedRun {
  uint64_t samples_per_step = 0;   // prompts_per_step * samples_per_prompt
  uint64_t prompt_tokens = 0;      // of one sample
  uint64_t response_tokens = 0;    // of one sample
  uint64_t slots = 0;              // rollout.slots
  uint64_t microbatch_tokens = 0;  // learner.microbatch_tokens
};

struct RunSizing {
  uint64_t parameters = 0;
  // Smallest number of learner ranks that holds the model with
  // learner.shard=optimizer and learner.recompute=layer; 0: no number does,
  // since `unshared_bytes` alone are more than a machine has.
  uint32_t ranks = 0;
  uint64_t rank_bytes = 0;      // of one rank, at `ranks` (at 1 if that is 0)
  uint64_t unshared_bytes = 0;  // of that, what every rank holds
  uint64_t worker_bytes = 0;    // of one worker: two versions, keys and values
  bool worker_fits = false;
  // Workers that sample a step's responses while the learner trains on the
  // last one's; 0 where one of the two does not fit.
  uint32_t workers = 0;
  uint64_t push_bytes = 0;  // of one version to one worker
  // Sent by each of many ranks for one optimiser step, at most.
  uint64_t exchange_bytes = 0;
  // The learner's part of a step with `ranks`; 0 where none fits. More ranks
  // divide it.
  double train_seconds = 0;
};

// Bytes of one learner rank of `ranks`. Weights, their copy for reading,
// gradients and the reference are fp32 and whole; the two moments are divided.
uint64_t RankBytes(const ModelConfig& model, const SizedRun& run,
                   uint32_t ranks);

// Bytes of one worker: bf16 weights of two versions, fp32 keys and values of
// all slots.
uint64_t WorkerBytes(const ModelConfig& model, const SizedRun& run);

RunSizing SizeRun(const ModelConfig& model, const SizedRun& run,
                  const Machine& machine);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_RUN_SIZING_H_
