// The product's failpoints: none. A program that links failpoint_env.cc has its
// own, and the linker leaves this file out.
#include "common/base/failpoint.h"

namespace operant {

absl::Status Failpoint(const char*) { return absl::OkStatus(); }

}  // namespace operant
