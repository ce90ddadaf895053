#define OPERANT_KERNELS_NAMESPACE kernels_portable
#include "common/nn/attention_kernel_impl.h"

namespace operant {

const TrainingKernels& TrainingKernelsPortable() {
  static constexpr TrainingKernels kTable =
      kernels_portable::MakeTable("portable");
  return kTable;
}

}  // namespace operant
