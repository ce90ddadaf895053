#define OPERANT_KERNELS_NAMESPACE kernels_avx512
#include "common/nn/training_kernels.h"

#if defined(__AVX512F__)
#include "common/nn/attention_kernel_impl.h"
#endif

namespace operant {

const TrainingKernels* TrainingKernelsAvx512() {
#if defined(__AVX512F__)
  static constexpr TrainingKernels kTable = kernels_avx512::MakeTable("avx512");
  return &kTable;
#else
  return nullptr;
#endif
}

}  // namespace operant
