#include "learner/preference_loss.h"

#include <torch/torch.h>

namespace operant::learner {

at::Tensor PreferenceLoss(const at::Tensor& chosen, const at::Tensor& rejected,
                          const at::Tensor& margin, double center) {
  return -at::log_sigmoid(chosen - rejected - margin) +
         center * (chosen + rejected).square();
}

}  // namespace operant::learner
