// What `operant doctor` and `operant train --dry-run` find out before anything
// is spent: whether the run that a configuration describes could start here.
#ifndef OPERANT_LEARNER_PREFLIGHT_H_
#define OPERANT_LEARNER_PREFLIGHT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/nn/model_config.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// One thing that was looked at.
struct Check {
  std::string name;     // "model", "rewards", ...
  std::string key;      // of the configuration; "": `status` names it
  absl::Status status;  // what is wrong, with the next step
  std::string text;     // what is so, if nothing is wrong
};

// Looks at everything, whatever fails first: model and data (read in full, as
// the run would), run directory, certificates (the learner's, and the others'
// that security.certs holds), address, reward servers (each greeted, for two
// seconds at most), the ranks' device and collective, memory, batch arithmetic
// and topology. Writes and starts nothing. `config` is resolved and valid for
// training.
std::vector<Check> Preflight(const v1::RunConfig& config);

// Bytes that a run of `model` needs at its peak, activations not counted.
struct MemoryPlan {
  uint64_t learner = 0;  // weights, gradients, Adam's moments, the reference
  uint64_t worker = 0;   // two versions of the weights, keys and values
};
MemoryPlan PlanMemory(const v1::RunConfig& config, const ModelConfig& model);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_PREFLIGHT_H_
