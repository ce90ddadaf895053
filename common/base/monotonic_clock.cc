#include "common/base/monotonic_clock.h"

#include <chrono>

#include "absl/time/clock.h"

namespace operant {
namespace {

struct Origin {
  absl::Time wall = absl::Now();
  std::chrono::steady_clock::time_point steady =
      std::chrono::steady_clock::now();
};

}  // namespace

absl::Time MonotonicNow() {
  static const Origin origin;
  return origin.wall +
         absl::FromChrono(std::chrono::steady_clock::now() - origin.steady);
}

}  // namespace operant
