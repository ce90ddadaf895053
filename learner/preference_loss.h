// The loss of a reward model on preference pairs.
#ifndef OPERANT_LEARNER_PREFERENCE_LOSS_H_
#define OPERANT_LEARNER_PREFERENCE_LOSS_H_

#include "ATen/core/Tensor.h"

namespace operant::learner {

// -log sigmoid(r_chosen - r_rejected - margin): the negative log-likelihood of
// the preferences under Bradley and Terry's model (Biometrika 39, 1952), as in
// Ziegler, arXiv 1909.08593, Eq. 1 with two options; the margin is that of
// arXiv 2307.09288, Eq. 2. Plus center (r_chosen + r_rejected)^2, which decides
// the constant that differences leave open (arXiv 2312.09244, section 4.2).
// All [M]; -> [M]. Deviations: none.
at::Tensor PreferenceLoss(const at::Tensor& chosen, const at::Tensor& rejected,
                          const at::Tensor& margin, double center);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_PREFERENCE_LOSS_H_
