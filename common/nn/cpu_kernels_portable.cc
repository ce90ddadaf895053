// Any processor.
#include "common/nn/cpu_kernels.h"
#include "common/nn/simd_portable.h"

// Needs Vec.
#include "common/nn/kernel_table.inc"

namespace operant {
namespace {

bool Supported() { return true; }

}  // namespace

extern const CpuKernels kPortableKernels;
const CpuKernels kPortableKernels = MakeTable("portable", Supported);

}  // namespace operant
