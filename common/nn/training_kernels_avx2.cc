#define OPERANT_KERNELS_NAMESPACE kernels_avx2
#include "common/nn/training_kernels.h"

#if defined(__AVX2__)
#include "common/nn/attention_kernel_impl.h"
#endif

namespace operant {

const TrainingKernels* TrainingKernelsAvx2() {
#if defined(__AVX2__)
  static constexpr TrainingKernels kTable = kernels_avx2::MakeTable("avx2");
  return &kTable;
#else
  return nullptr;
#endif
}

}  // namespace operant
