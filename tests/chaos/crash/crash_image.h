// The states in which a crash may leave the files of a trace.
//
// What was not synced may be there or not, each write and each change of names
// for itself, in any order; a write may be there in part. What was synced is
// there. That is what POSIX allows; most file systems allow less.
#ifndef OPERANT_TESTS_CHAOS_CRASH_CRASH_IMAGE_H_
#define OPERANT_TESTS_CHAOS_CRASH_CRASH_IMAGE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/chaos/crash/file_trace.h"

namespace operant::chaos {

// What becomes of the events that were not synced.
enum class Loss {
  kNothing,   // all are there: the process died, the machine did not
  kAll,       // none is
  kContents,  // names are, writes and sizes are not
  kNames,     // writes and sizes are, names are not
  kLastTorn,  // all are but the last write, which is there in part
  kSome,      // any of them, writes in part
};
inline constexpr int kLosses = 6;

struct CrashPlan {
  size_t events = 0;  // that happened
  Loss loss = Loss::kNothing;
  uint64_t seed = 0;  // of kLastTorn and kSome
};

// Contents by path relative to the folder; nullopt: a folder.
using CrashImage = std::map<std::string, std::optional<std::string>>;

CrashImage MakeCrashImage(const FileTrace& trace, const CrashPlan& plan);

// Writes it below `folder`, which is emptied before.
absl::Status WriteImage(const CrashImage& image, const std::string& folder);

// Reads what is below `folder`: without loss, the image of a whole trace is
// that, or the trace missed something.
absl::StatusOr<CrashImage> ReadImage(const std::string& folder);

// SHA-256: two states with one digest are one state.
std::string DigestOf(const CrashImage& image);

}  // namespace operant::chaos

#endif  // OPERANT_TESTS_CHAOS_CRASH_CRASH_IMAGE_H_
