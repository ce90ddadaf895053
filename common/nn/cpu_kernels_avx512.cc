// AVX-512F: Intel servers from 2017, AMD from 2022.
#include "common/nn/cpu_kernels.h"
#include "common/nn/simd_avx512.h"

// Needs Vec.
#include "common/nn/kernel_table.inc"

namespace operant {
namespace {

bool Supported() { return __builtin_cpu_supports("avx512f"); }

}  // namespace

extern const CpuKernels kAvx512Kernels;
const CpuKernels kAvx512Kernels = MakeTable("avx512", Supported);

}  // namespace operant
