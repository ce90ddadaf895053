#include "common/run/process_keeper.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace operant {

absl::Status ProcessKeeper::StartAll(Unit& unit,
                                     const std::vector<ProcessSpec>& specs) {
  unit.failing = false;
  for (const ProcessSpec& spec : specs) {
    RETURN_IF_ERROR(hands_.start(spec));
    unit.running.push_back(spec.role);
  }
  return absl::OkStatus();
}

absl::Status ProcessKeeper::Start(const std::string& unit,
                                  std::vector<ProcessSpec> specs) {
  Unit& added = units_[unit];
  added.specs = std::move(specs);
  return StartAll(added, added.specs);
}

absl::Status ProcessKeeper::Join(const std::string& unit,
                                 std::vector<ProcessSpec> specs) {
  Unit& joined = units_.at(unit);
  joined.specs.insert(joined.specs.end(), specs.begin(), specs.end());
  return StartAll(joined, specs);
}

void ProcessKeeper::ReplaceSpecs(const std::string& unit,
                                 std::vector<ProcessSpec> specs) {
  units_.at(unit).specs = std::move(specs);
}

ProcessKeeper::Verdict ProcessKeeper::Fail(const std::string& name, Unit& unit,
                                           const ProcessExit& exit,
                                           absl::Time now) {
  unit.failing = true;
  unit.failure = exit;
  unit.decision = DecideRestart(limits_, exit, now, unit.restarts);
  for (const std::string& role : unit.running) hands_.signal(role, SIGKILL);
  return {name, unit.decision, exit, /*first=*/true};
}

ProcessKeeper::Verdict ProcessKeeper::Ended(const ProcessExit& exit,
                                            absl::Time now) {
  for (auto& [name, unit] : units_) {
    const auto role =
        std::find(unit.running.begin(), unit.running.end(), exit.role);
    if (role == unit.running.end()) continue;
    unit.running.erase(role);
    if (unit.failing) return {name, unit.decision, unit.failure, false};
    // A member that is done waits for the others, which end soon.
    if (exit.ok() && !unit.running.empty()) return {name, {}, exit, false};
    return Fail(name, unit, exit, now);
  }
  return {exit.role, {}, exit, false};
}

std::vector<ProcessKeeper::Verdict> ProcessKeeper::StartDue(absl::Time now) {
  std::vector<Verdict> failed;
  for (auto& [name, unit] : units_) {
    if (!unit.failing || !unit.running.empty()) continue;
    if (unit.decision.action != RestartDecision::Action::kStartAgain) continue;
    if (now < unit.decision.start_at) continue;
    const absl::Status started = StartAll(unit, unit.specs);
    LogWarning("started again",
               {{"unit", name}, {"outcome", started.ToString()}});
    if (started.ok()) continue;
    // As a process that ends at once; what it says of itself is the status.
    failed.push_back(Fail(
        name, unit,
        {.role = name, .exit_code = static_cast<int>(ExitCode::kResumable)},
        now));
  }
  return failed;
}

absl::Time ProcessKeeper::NextStart() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [name, unit] : units_) {
    if (unit.failing && unit.running.empty())
      next = std::min(next, unit.decision.start_at);
  }
  return next;
}

bool ProcessKeeper::IsRunning(const std::string& unit) const {
  const auto found = units_.find(unit);
  return found != units_.end() && !found->second.running.empty();
}

}  // namespace operant
