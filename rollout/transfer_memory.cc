#include "rollout/transfer_memory.h"

#include <malloc.h>

namespace operant::rollout {
namespace {

// Larger than gRPC's read slices (4 MiB), so that they come from the heap;
// 32 MiB is the allocator's own upper limit.
constexpr int kMmapThreshold = 32 << 20;
// What the heap may hold free at its end: the slices in flight of one transfer.
constexpr int kTrimThreshold = 256 << 20;
constexpr int kTopPad = 16 << 20;

}  // namespace

void KeepTransferMemory() {
  mallopt(M_MMAP_THRESHOLD, kMmapThreshold);
  mallopt(M_TRIM_THRESHOLD, kTrimThreshold);
  mallopt(M_TOP_PAD, kTopPad);
}

}  // namespace operant::rollout
