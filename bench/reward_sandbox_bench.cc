// Programs a second through the sandbox of code rewards: `python3 -I` from its
// start to the verdict on one assertion, as many at once as there are cores.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/report.h"
#include "common/base/status_macros.h"
#include "reward/sandbox.h"

namespace operant::bench {
namespace {

using reward::Sandbox;
using reward::SandboxVerdict;

constexpr int kRounds = 5;
constexpr absl::Duration kRound = absl::Seconds(3);

v1::Sandbox Limits() {
  v1::Sandbox limits;
  limits.set_kind("bubblewrap");
  limits.set_wall_ms(10'000);
  limits.set_cpu_seconds(2);
  limits.set_memory_mb(256);
  limits.set_processes(8);
  limits.set_file_mb(16);
  limits.set_output_kb(64);
  limits.set_python("/usr/bin/python3");
  return limits;
}

// Passes a second in one round; `failed` counts what did not pass.
double RunRound(const Sandbox& sandbox, int threads, std::atomic<int>& failed) {
  std::atomic<int> passed{0};
  const absl::Time start = absl::Now();
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      while (absl::Now() - start < kRound) {
        const auto verdict = sandbox.Run("def add(a, b):\n  return a + b\n",
                                         "assert add(2, 3) == 5");
        const bool good =
            verdict.ok() && verdict->end == SandboxVerdict::End::kPassed;
        ++(good ? passed : failed);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  return passed / absl::ToDoubleSeconds(absl::Now() - start);
}

absl::Status Run() {
  ASSIGN_OR_RETURN(const auto sandbox, Sandbox::Create(Limits()));
  const int threads =
      std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::atomic<int> failed{0};
  std::vector<double> rates;
  RunRound(*sandbox, threads, failed);  // warms caches
  for (int i = 0; i < kRounds; ++i) {
    rates.push_back(RunRound(*sandbox, threads, failed));
  }
  if (failed > 0) {
    return absl::InternalError(
        absl::StrCat(failed.load(), " programs did not pass"));
  }
  Row row = MedianRow("sandbox", "runs/s", rates);
  row.note = absl::StrCat(threads, " at once, bubblewrap");
  return Report("reward_sandbox_bench", {row});
}

}  // namespace
}  // namespace operant::bench

int main() {
  const absl::Status status = operant::bench::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "reward_sandbox_bench: %s\n",
               std::string(status.message()).c_str());
  return 1;
}
