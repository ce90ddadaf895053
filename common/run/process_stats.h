// What the kernel says of a process and of this machine.
#ifndef OPERANT_COMMON_RUN_PROCESS_STATS_H_
#define OPERANT_COMMON_RUN_PROCESS_STATS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace operant {

// Peak resident memory of a running process (VmHWM), in bytes. NotFound when
// there is no such process, or it is a zombie.
absl::StatusOr<int64_t> PeakResidentBytes(pid_t pid);

// The processor's name ("AMD EPYC 9B45"), or "unknown".
std::string CpuName();

// Cores this process may use (its affinity mask), at least 1.
int UsableCores();

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_PROCESS_STATS_H_
