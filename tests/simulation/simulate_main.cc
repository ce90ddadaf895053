// Runs simulated clusters and judges them:
//   simulate [--clusters N] [--seed FIRST] [--require-probes]
//            [--until-violation]
// Prints one JSON object; exits with 1 if an invariant was violated, or with
// --require-probes if an interesting state was never met.
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <string>

#include "tests/simulation/checker.h"
#include "tests/simulation/cluster.h"

namespace operant::simulation {
namespace {

constexpr const char* kProbes[] = {"accepted",
                                   "crash between steps",
                                   "crash in a step",
                                   "crash with unsynced records",
                                   "draining",
                                   "duplicate",
                                   "heartbeat of a stranger",
                                   "late result",
                                   "lease ended early",
                                   "lease lost on the way",
                                   "left",
                                   "refused",
                                   "registered again",
                                   "restored",
                                   "result of another step",
                                   "the lease has expired",
                                   "the worker was lost",
                                   "the worker was restarted",
                                   "worker draining",
                                   "worker joining",
                                   "worker lost",
                                   "worker ready",
                                   "worker stale"};

// How many violations are told in full.
constexpr int kTold = 20;

struct Totals {
  uint64_t clusters = 0, violations = 0, steps = 0, accepted = 0, faults = 0;
  std::map<std::string, uint64_t> probes;
};

void Add(const History& history, Totals& totals) {
  ++totals.clusters;
  totals.steps += history.committed.size();
  totals.accepted += history.accepted;
  totals.faults += history.faults;
  for (const auto& [name, count] : history.probes) totals.probes[name] += count;
  for (const std::string& violation : Violations(history)) {
    if (totals.violations++ < kTold)
      std::fprintf(stderr, "seed %llu: %s\n",
                   static_cast<unsigned long long>(history.seed),
                   violation.c_str());
  }
}

int MissingProbes(const Totals& totals) {
  int missing = 0;
  for (const char* probe : kProbes) {
    if (totals.probes.contains(probe)) continue;
    std::fprintf(stderr, "never met: %s\n", probe);
    ++missing;
  }
  return missing;
}

struct Flags {
  uint64_t clusters = 500;
  uint64_t seed = 1;
  bool require_probes = false;
  bool until_violation = false;
};

int Main(const Flags& flags) {
  Totals totals;
  for (uint64_t i = 0; i < flags.clusters; ++i) {
    Add(RunCluster(flags.seed + i), totals);
    if (flags.until_violation && totals.violations > 0) break;
  }
  const int missing = MissingProbes(totals);
  std::printf(
      "{\"clusters\": %llu, \"first_seed\": %llu, \"violations\": %llu, "
      "\"steps\": %llu, \"accepted\": %llu, \"faults\": %llu, "
      "\"probes\": %zu, \"probes_missing\": %d}\n",
      static_cast<unsigned long long>(totals.clusters),
      static_cast<unsigned long long>(flags.seed),
      static_cast<unsigned long long>(totals.violations),
      static_cast<unsigned long long>(totals.steps),
      static_cast<unsigned long long>(totals.accepted),
      static_cast<unsigned long long>(totals.faults), std::size(kProbes),
      missing);
  return totals.violations > 0 || (flags.require_probes && missing > 0) ? 1 : 0;
}

}  // namespace
}  // namespace operant::simulation

int main(int argc, char** argv) {
  operant::simulation::Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--require-probes") flags.require_probes = true;
    if (flag == "--until-violation") flags.until_violation = true;
    if (i + 1 >= argc) continue;
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--clusters") flags.clusters = value;
    if (flag == "--seed") flags.seed = value;
  }
  return operant::simulation::Main(flags);
}
