#include "common/nn/cpu_kernels.h"

#include <cstdlib>
#include <string_view>
#include <vector>

namespace operant {

#if defined(__x86_64__)
extern const CpuKernels kAvx512Kernels;
extern const CpuKernels kAvx2Kernels;
#endif
extern const CpuKernels kPortableKernels;

namespace {

std::vector<const CpuKernels*> FindAvailable() {
  std::vector<const CpuKernels*> available;
#if defined(__x86_64__)
  for (const CpuKernels* kernels : {&kAvx512Kernels, &kAvx2Kernels}) {
    if (kernels->supported()) available.push_back(kernels);
  }
#endif
  available.push_back(&kPortableKernels);
  return available;
}

const CpuKernels& Choose() {
  const char* wanted = std::getenv("OPERANT_CPU_KERNELS");
  const auto available = AvailableCpuKernels();
  for (const CpuKernels* kernels : available) {
    if (wanted != nullptr && std::string_view(wanted) == kernels->name) {
      return *kernels;
    }
  }
  return *available.front();
}

}  // namespace

std::span<const CpuKernels* const> AvailableCpuKernels() {
  static const auto& available =
      *new std::vector<const CpuKernels*>(FindAvailable());
  return available;
}

const CpuKernels& BestCpuKernels() {
  static const CpuKernels& best = Choose();
  return best;
}

}  // namespace operant
