// The coefficient beta of the KL penalty: fixed, or adapted so that
// KL(policy, reference) per response stays near a target.
#ifndef OPERANT_LEARNER_KL_CONTROLLER_H_
#define OPERANT_LEARNER_KL_CONTROLLER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

// Ziegler et al. arXiv 1909.08593, section 2.2, with the gain written as a
// horizon: over n responses
//   e = clip(KL / target - 1, +-0.2),  beta <- beta (1 + e n / horizon)
// KL is in nats per response (the sum over its tokens), so a target means the
// same for any response length. Not thread-safe.
class KlController {
 public:
  // From a resolved section: beta 0 if no_kl, adaptive if kl_target > 0.
  explicit KlController(const v1::PpoSection& ppo);

  // After each step: the mean KL per response over `responses` of them. A KL
  // that is not finite changes nothing.
  void Observe(double kl_per_response, int64_t responses);

  double coefficient() const { return coefficient_; }
  bool adaptive() const { return target_ > 0; }

  // Continues from a saved coefficient(). InvalidArgument unless it is finite
  // and >= 0.
  absl::Status Restore(double coefficient);

 private:
  double coefficient_;
  const double target_;   // nats per response; 0: fixed
  const double horizon_;  // responses
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_KL_CONTROLLER_H_
