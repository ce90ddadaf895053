// Keeps the processes of a run alive: carries out what restart_policy.h
// decides.
//
// They come in units: processes that are started together and, since none of
// them is of use without the others, end together (the ranks of a learner). All
// other processes are units of their own.
#ifndef OPERANT_COMMON_RUN_PROCESS_KEEPER_H_
#define OPERANT_COMMON_RUN_PROCESS_KEEPER_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/run/child_process.h"
#include "common/run/restart_policy.h"

namespace operant {

// Not thread-safe. Times are those of one clock that does not jump.
class ProcessKeeper {
 public:
  // How processes are started and signalled. `signal` to one that is gone does
  // nothing.
  struct Hands {
    std::function<absl::Status(const ProcessSpec& spec)> start;
    std::function<void(const std::string& role, int signal)> signal;
  };

  ProcessKeeper(const RestartLimits& limits, Hands hands)
      : limits_(limits), hands_(std::move(hands)) {}

  // Starts all processes of `unit`. An error leaves those that were started;
  // the caller stops them.
  absl::Status Start(const std::string& unit, std::vector<ProcessSpec> specs);

  // Starts further processes of `unit`, whose first one runs.
  absl::Status Join(const std::string& unit, std::vector<ProcessSpec> specs);

  // What a restart of `unit` starts instead: the same roles.
  void ReplaceSpecs(const std::string& unit, std::vector<ProcessSpec> specs);

  // What the end of a process means. The others of its unit are killed; their
  // ends are then part of the same failure.
  struct Verdict {
    std::string unit;
    RestartDecision decision;
    ProcessExit exit;    // the first of the unit's to end
    bool first = false;  // false: it belongs to a failure already told
  };
  Verdict Ended(const ProcessExit& exit, absl::Time now);

  // Starts what is due, and returns the verdicts of what could not be.
  std::vector<Verdict> StartDue(absl::Time now);
  // The next time that something is; InfiniteFuture: nothing waits.
  absl::Time NextStart() const;

  // Whether a process of `unit` runs.
  bool IsRunning(const std::string& unit) const;

 private:
  struct Unit {
    std::vector<ProcessSpec> specs;
    std::vector<std::string> running;  // roles
    RestartState restarts;
    RestartDecision decision;  // of the failure that it is in, if any
    ProcessExit failure;
    bool failing = false;  // from its first process's end to its next start
  };

  absl::Status StartAll(Unit& unit, const std::vector<ProcessSpec>& specs);
  Verdict Fail(const std::string& name, Unit& unit, const ProcessExit& exit,
               absl::Time now);

  const RestartLimits limits_;
  const Hands hands_;
  std::map<std::string, Unit> units_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_PROCESS_KEEPER_H_
