// AVX2 with FMA: Intel from 2013, AMD from 2017.
#include "common/nn/cpu_kernels.h"
#include "common/nn/simd_avx2.h"

// Needs Vec.
#include "common/nn/kernel_table.inc"

namespace operant {
namespace {

bool Supported() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

}  // namespace

extern const CpuKernels kAvx2Kernels;
const CpuKernels kAvx2Kernels = MakeTable("avx2", Supported);

}  // namespace operant
