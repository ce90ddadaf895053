// Judges what a crash left of a small run.
#ifndef OPERANT_TESTS_CHAOS_CRASH_CRASH_CHECK_H_
#define OPERANT_TESTS_CHAOS_CRASH_CRASH_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "tests/chaos/crash/file_trace.h"

namespace operant::chaos {

// What the run had been told was durable (SmallRun::Acknowledged).
struct Acknowledgements {
  uint64_t accepted = 0, manifests = 0, steps = 0, published = 0;
  uint64_t checkpoint = 0;   // the newest
  uint64_t checkpoints = 0;  // how many
};

// Before event `events` of the trace.
Acknowledgements AcknowledgedBefore(const FileTrace& trace, size_t events);

// The run below `root` after a crash: holds what was acknowledged or more, is
// consistent, and goes on. An error is the violation; it names the promise.
// Changes the files.
absl::Status CheckCrashed(const std::string& root,
                          const Acknowledgements& acknowledged);

}  // namespace operant::chaos

#endif  // OPERANT_TESTS_CHAOS_CRASH_CRASH_CHECK_H_
