// How a process that receives weights keeps its memory.
#ifndef OPERANT_ROLLOUT_TRANSFER_MEMORY_H_
#define OPERANT_ROLLOUT_TRANSFER_MEMORY_H_

namespace operant::rollout {

// Tells the allocator to keep freed memory for the next allocation. gRPC reads
// a push into slices of megabytes, each freed as soon as it is copied; by
// default each goes back to the kernel and comes back as pages to be zeroed,
// which costs as much as the transfer itself. Process-wide; call it once,
// early.
void KeepTransferMemory();

}  // namespace operant::rollout

#endif  // OPERANT_ROLLOUT_TRANSFER_MEMORY_H_
