#include "common/nn/training_kernels.h"

namespace operant {
namespace {

#if defined(__x86_64__)
bool HasAvx512() {
  return __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw");
}
#endif

const TrainingKernels& Choose() {
#if defined(__x86_64__)
  if (TrainingKernelsAvx512() != nullptr && HasAvx512()) {
    return *TrainingKernelsAvx512();
  }
  if (TrainingKernelsAvx2() != nullptr && __builtin_cpu_supports("avx2") &&
      __builtin_cpu_supports("fma")) {
    return *TrainingKernelsAvx2();
  }
#endif
  return TrainingKernelsPortable();
}

}  // namespace

const TrainingKernels& ChooseTrainingKernels() {
  static const TrainingKernels& chosen = Choose();
  return chosen;
}

}  // namespace operant
