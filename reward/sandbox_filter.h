// Which system calls a sandboxed program may make.
#ifndef OPERANT_REWARD_SANDBOX_FILTER_H_
#define OPERANT_REWARD_SANDBOX_FILTER_H_

#include <string>

#include "absl/status/statusor.h"

namespace operant::reward {

enum class FilterScope {
  kNamespaces,    // around a program that has namespaces of its own
  kSharedMachine  // it has none: nor may it leave its process group or signal
};

// The BPF program of an allow list (files, memory, threads, processes, time;
// no sockets, mounts, namespaces, tracing, keys, kernel modules): what is not
// on it fails with EPERM. As the kernel takes it, for this architecture.
// Errors: Internal (libseccomp's).
absl::StatusOr<std::string> BuildSystemCallFilter(FilterScope scope);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_SANDBOX_FILTER_H_
