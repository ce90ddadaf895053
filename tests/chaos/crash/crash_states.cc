// Enumerates crash states of the checkpoint writer and the ledger, and checks
// that a run recovers from each:
//
//   crash_states [--states N] [--seed S] [--steps K]
//
// A small run is recorded file operation by file operation; then the states in
// which a crash may leave its folder are made, each once, and judged. Prints
// one JSON object; exits with 1 on a violation.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "tests/chaos/crash/crash_check.h"
#include "tests/chaos/crash/crash_image.h"
#include "tests/chaos/crash/small_run.h"

namespace operant::chaos {
namespace {

constexpr int kTriesPerState = 20;
constexpr int kViolationsShown = 5;

struct Settings {
  int states = 500;
  uint64_t seed = 1;
  uint64_t steps = 12;
  std::string folder = "/dev/shm";  // or any other: it is emptied often
};

// Lives of three steps, and lives of five: some end after a checkpoint, some
// before, so that the next takes steps back.
absl::Status RecordLives(const std::string& root, uint64_t steps) {
  for (int life = 0;; ++life) {
    ASSIGN_OR_RETURN(const std::unique_ptr<SmallRun> run,
                     SmallRun::Open(root, NoteInTrace));
    for (int i = 0; i < (life % 2 == 0 ? 3 : 5); ++i) {
      if (run->step() >= steps) return absl::OkStatus();
      RETURN_IF_ERROR(run->Step());
    }
  }
}

absl::StatusOr<FileTrace> Record(const std::string& root, uint64_t steps) {
  RETURN_IF_ERROR(RemoveTree(root));
  RETURN_IF_ERROR(MakeDirectories(root));
  BeginTrace(root);
  const absl::Status status = RecordLives(root, steps);
  FileTrace trace = EndTrace();
  RETURN_IF_ERROR(status);
  // Whatever the trace missed, no state would have.
  ASSIGN_OR_RETURN(const CrashImage real, ReadImage(root));
  const CrashImage replayed =
      MakeCrashImage(trace, {.events = trace.events.size()});
  if (real == replayed) return trace;
  for (const auto& [path, contents] : real) {
    const auto found = replayed.find(path);
    if (found == replayed.end() || found->second != contents)
      return absl::InternalError(
          absl::StrCat("the recorder missed a change of ", path));
  }
  return absl::InternalError("the recorder missed that a file was removed");
}

struct Outcome {
  int states = 0;
  int violations = 0;
  size_t events = 0;
  std::vector<std::string> examples;  // the first violations
};

CrashPlan DrawPlan(const FileTrace& trace, std::mt19937_64& random) {
  CrashPlan plan;
  plan.events = random() % (trace.events.size() + 1);
  plan.loss = static_cast<Loss>(random() % kLosses);
  plan.seed = random();
  return plan;
}

absl::StatusOr<Outcome> Enumerate(const Settings& settings,
                                  const std::string& folder) {
  ASSIGN_OR_RETURN(const FileTrace trace,
                   Record(folder + "/recorded", settings.steps));
  SkipSyncs(true);
  Outcome outcome;
  outcome.events = trace.events.size();
  std::mt19937_64 random(settings.seed);
  std::set<std::string> seen;
  const std::string root = folder + "/crashed";
  for (int tries = settings.states * kTriesPerState;
       outcome.states < settings.states && tries > 0; --tries) {
    const CrashPlan plan = DrawPlan(trace, random);
    const CrashImage image = MakeCrashImage(trace, plan);
    const Acknowledgements acknowledged =
        AcknowledgedBefore(trace, plan.events);
    // The same files after another acknowledgement are another state.
    const std::string key = absl::StrCat(
        DigestOf(image), acknowledged.accepted, ".", acknowledged.manifests,
        ".", acknowledged.steps, ".", acknowledged.checkpoint);
    if (!seen.insert(key).second) continue;
    ++outcome.states;
    RETURN_IF_ERROR(WriteImage(image, root));
    const absl::Status judged = CheckCrashed(root, acknowledged);
    if (judged.ok()) continue;
    if (++outcome.violations > kViolationsShown) continue;
    outcome.examples.push_back(absl::StrCat(
        judged.message(), " (event ", plan.events, " of ", trace.events.size(),
        ", loss ", static_cast<int>(plan.loss), ", seed ", plan.seed, ")"));
  }
  return outcome;
}

int Main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Crash states of the checkpoint writer and the ledger");
  app.add_option("--states", settings.states, "distinct states to make");
  app.add_option("--seed", settings.seed);
  app.add_option("--steps", settings.steps, "steps of the recorded run");
  app.add_option("--folder", settings.folder, "where it may work");
  CLI11_PARSE(app, argc, argv);
  InitLogging({.role = "crash_states", .level = LogLevel::kError});
  const std::string folder =
      absl::StrCat(settings.folder, "/crash_states_", getpid());
  const absl::StatusOr<Outcome> outcome = Enumerate(settings, folder);
  RemoveTree(folder).IgnoreError();
  if (!outcome.ok()) {
    std::fprintf(stderr, "crash_states: %s\n",
                 outcome.status().ToString().c_str());
    return 2;
  }
  std::puts(nlohmann::json{{"states", outcome->states},
                           {"violations", outcome->violations},
                           {"events", outcome->events},
                           {"seed", settings.seed},
                           {"examples", outcome->examples}}
                .dump()
                .c_str());
  return outcome->violations > 0 || outcome->states < settings.states;
}

}  // namespace
}  // namespace operant::chaos

int main(int argc, char** argv) { return operant::chaos::Main(argc, argv); }
