#include "common/run/supervisor.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/exit_code.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"

namespace operant {
namespace {

// A signal that arrives just before poll() is seen this much later at worst.
constexpr absl::Duration kSignalLatency = absl::Milliseconds(200);
// How often an announcement is looked for.
constexpr absl::Duration kAnnouncementInterval = absl::Milliseconds(20);
constexpr int kTailLines = 20;
constexpr std::streamoff kTailBytes = 64 << 10;

absl::Status DiedWhileStarting(const ProcessExit& exit,
                               const std::string& log_path) {
  // Ending without a word, even with 0, is our fault until shown otherwise.
  const ExitCode code = exit.signal != 0 || exit.exit_code == 0
                            ? ExitCode::kBug
                            : static_cast<ExitCode>(exit.exit_code);
  return WithExitCode(
      absl::FailedPreconditionError(absl::StrCat(
          "cannot start the run: ", DescribeDeath(exit, log_path))),
      code);
}

absl::Status NotServing(const ProcessSpec& spec, absl::Duration timeout) {
  return absl::DeadlineExceededError(absl::StrCat(
      "cannot start the run: ", spec.role, " did not serve within ",
      absl::FormatDuration(timeout), "; the last lines of its log, ",
      spec.log_path, ":\n", TailOfFile(spec.log_path, kTailLines)));
}

}  // namespace

absl::Status Supervisor::Start(const ProcessSpec& spec) {
  ASSIGN_OR_RETURN(auto child, ChildProcess::Start(spec));
  children_.push_back(std::move(child));
  return absl::OkStatus();
}

absl::StatusOr<Announcement> Supervisor::WaitServing(
    const std::string& role, const std::string& announce_path,
    absl::Duration timeout) {
  absl::StatusOr<Announcement> said;
  RETURN_IF_ERROR(WaitReady(
      role,
      [&] {
        said = ReadAnnouncement(announce_path);
        return !absl::IsNotFound(said.status());
      },
      timeout));
  return said;
}

absl::Status Supervisor::WaitReady(const std::string& role,
                                   const std::function<bool()>& is_ready,
                                   absl::Duration timeout) {
  ChildProcess* child = Find(role);
  if (child == nullptr) {
    return absl::NotFoundError(absl::StrCat("no process has role=", role));
  }
  const absl::Time deadline = absl::Now() + timeout;
  while (absl::Now() < deadline) {
    if (is_ready()) return absl::OkStatus();
    if (const auto exit = child->TryReap()) {
      return DiedWhileStarting(*exit, child->spec().log_path);
    }
    if (ShutdownRequested() != StopSignal::kNone) {
      return absl::CancelledError(
          absl::StrCat("stopped while ", role, " was starting"));
    }
    PollUntil(std::min(deadline, absl::Now() + kAnnouncementInterval));
  }
  return NotServing(child->spec(), timeout);
}

std::optional<ProcessExit> Supervisor::WaitExit(absl::Time deadline) {
  const StopSignal before = ShutdownRequested();
  while (true) {
    if (auto exit = TakeEnded()) return exit;
    if (ShutdownRequested() != before || absl::Now() >= deadline) {
      return std::nullopt;
    }
    PollUntil(std::min(deadline, absl::Now() + kSignalLatency));
  }
}

void Supervisor::Signal(const std::string& role, int signal) {
  if (ChildProcess* child = Find(role)) child->Signal(signal);
}

std::vector<ProcessExit> Supervisor::StopAll(absl::Duration grace) {
  std::vector<ProcessExit> exits;
  for (const auto& child : children_) child->Signal(SIGTERM);
  const absl::Time kill_time = absl::Now() + grace;
  bool killed = false;
  while (!children_.empty()) {
    if (auto exit = TakeEnded()) {
      exits.push_back(*std::move(exit));
      continue;
    }
    if (!killed && absl::Now() >= kill_time) {
      for (const auto& child : children_) child->Signal(SIGKILL);
      killed = true;
    }
    PollUntil(absl::Now() + kSignalLatency);
  }
  return exits;
}

ChildProcess* Supervisor::Find(const std::string& role) const {
  for (const auto& child : children_) {
    if (child->spec().role == role) return child.get();
  }
  return nullptr;
}

void Supervisor::PollUntil(absl::Time deadline) {
  std::vector<pollfd> fds;
  for (const auto& child : children_) {
    fds.push_back({.fd = child->ended_fd(), .events = POLLIN, .revents = 0});
  }
  const auto wait = std::max(deadline - absl::Now(), absl::ZeroDuration());
  poll(fds.data(), fds.size(),
       static_cast<int>(absl::ToInt64Milliseconds(wait)) + 1);
}

std::optional<ProcessExit> Supervisor::TakeEnded() {
  for (auto it = children_.begin(); it != children_.end(); ++it) {
    if (auto exit = (*it)->TryReap()) {
      children_.erase(it);
      return exit;
    }
  }
  return std::nullopt;
}

std::string TailOfFile(const std::string& path, int lines) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kTailBytes));
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!text.empty() && text.back() == '\n') text.pop_back();
  size_t begin = text.size();
  for (int i = 0; i < lines && begin != std::string::npos && begin > 0; ++i) {
    begin = text.rfind('\n', begin - 1);
  }
  return begin == std::string::npos || begin == 0 ? text
                                                  : text.substr(begin + 1);
}

std::string DescribeDeath(const ProcessExit& exit,
                          const std::string& log_path) {
  const std::string tail = TailOfFile(log_path, kTailLines);
  return absl::StrCat(
      exit.role, " (pid ", exit.pid, ") ended with ", DescribeExit(exit), "; ",
      tail.empty() ? "its log is empty: " : "the last lines of its log, ",
      log_path, tail.empty() ? "" : ":\n", tail);
}

}  // namespace operant
