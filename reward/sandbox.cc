#include "reward/sandbox.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "reward/sandbox_filter.h"
#include "reward/sandbox_harness.h"
#include "reward/sandbox_process.h"

namespace operant::reward {
namespace {

constexpr char kBubblewrap[] = "/usr/bin/bwrap";
// Debian's nobody. Programs of a server that runs as root run as this user.
constexpr uint32_t kNobody = 65534;
// On a shared machine each program of such a server has a user of its own,
// which is what processes are counted by.
constexpr uint32_t kFirstUser = 64000;
constexpr uint32_t kUsers = 1000;
constexpr size_t kNonceBytes = 16;
constexpr size_t kMaxSaid = 500;

// Not soon again: what an earlier program left may take a moment to be buried.
uint32_t NextUser() {
  static std::atomic<uint32_t> next{static_cast<uint32_t>(getpid()) * 41};
  return kFirstUser + next++ % kUsers;
}

std::string Harness() {
  return std::string(reinterpret_cast<const char*>(kSandboxHarness),
                     kSandboxHarnessBytes);
}

absl::StatusOr<std::string> NewNonce() {
  std::string bytes(kNonceBytes, '\0');
  if (getrandom(bytes.data(), bytes.size(), 0) !=
      static_cast<ssize_t>(bytes.size())) {
    return absl::UnavailableError("sandbox cannot run: no random bytes");
  }
  return Hex(bytes);
}

// Length and text of the program, then what only its judge may read.
std::string JobOf(const std::string& program, const std::string& nonce,
                  const std::string& tests) {
  std::string size(8, '\0');
  for (int i = 0; i < 8; ++i) {
    size[i] = static_cast<char>(uint64_t{program.size()} >> (8 * i));
  }
  return absl::StrCat(size, program, nonce, "\n", tests);
}

// The fewest mounts that an interpreter runs with: each costs time.
std::vector<std::string> BubblewrapArgs(const v1::Sandbox& config) {
  return {kBubblewrap,
          "--unshare-all",
          "--die-with-parent",
          "--new-session",
          "--as-pid-1",
          "--clearenv",
          "--setenv",
          "HOME",
          "/tmp",
          "--setenv",
          "LANG",
          "C.UTF-8",
          "--setenv",
          "PATH",
          "/usr/bin",
          "--uid",
          "65534",
          "--gid",
          "65534",
          "--ro-bind",
          "/usr",
          "/usr",
          "--symlink",
          "usr/lib",
          "/lib",
          "--symlink",
          "usr/lib64",
          "/lib64",
          "--symlink",
          "usr/bin",
          "/bin",
          "--dev-bind",
          "/dev/null",
          "/dev/null",
          "--size",
          absl::StrCat(uint64_t{config.file_mb()} << 20),
          "--tmpfs",
          "/tmp",
          "--remount-ro",
          "/",
          "--chdir",
          "/tmp",
          "--seccomp",
          absl::StrCat(kFilterFd),
          "--"};
}

absl::StatusOr<SandboxVerdict> ReadVerdict(const SandboxOutcome& outcome,
                                           const std::string& nonce) {
  SandboxVerdict verdict;
  bool begun = false;
  for (absl::string_view line : absl::StrSplit(outcome.verdict, '\n')) {
    if (!absl::ConsumePrefix(&line, nonce + " ")) continue;
    const std::pair<absl::string_view, absl::string_view> said =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    verdict.said = std::string(said.second.substr(0, kMaxSaid));
    if (said.first == "begun") begun = true;
    if (said.first == "passed") verdict.end = SandboxVerdict::End::kPassed;
    if (said.first == "failed") verdict.end = SandboxVerdict::End::kFailed;
    if (said.first == "timeout") verdict.end = SandboxVerdict::End::kTimeout;
    if (said.first == "untestable") {
      return absl::InvalidArgumentError(
          absl::StrCat("tests are not Python: ", verdict.said));
    }
  }
  if (!begun) {
    return absl::UnavailableError(absl::StrCat(
        "sandbox cannot run: it ended before the program began",
        outcome.timeout ? ", being over reward.sandbox.wall_ms" : "", ": ",
        absl::string_view(outcome.output).substr(0, kMaxSaid)));
  }
  if (outcome.timeout) verdict.end = SandboxVerdict::End::kTimeout;
  if (outcome.overflow) verdict.end = SandboxVerdict::End::kOutput;
  return verdict;
}

class SandboxImpl final : public Sandbox {
 public:
  SandboxImpl(const v1::Sandbox& config, std::string filter)
      : config_(config), filter_(std::move(filter)) {}

  absl::StatusOr<SandboxVerdict> Run(const std::string& program,
                                     const std::string& tests) const override {
    ASSIGN_OR_RETURN(const std::string nonce, NewNonce());
    SandboxCommand command = Limits();
    command.job = JobOf(program, nonce, tests);
    const bool shared = config_.kind() == "runtime-class";
    if (shared) {
      RETURN_IF_ERROR(GiveFolder(command));
    } else {
      command.args = BubblewrapArgs(config_);
      command.monitored = true;
    }
    const auto remove_folder = absl::MakeCleanup([&command] {
      if (!command.folder.empty()) RemoveTree(command.folder).IgnoreError();
    });
    const bool counted = !shared || command.user != 0;
    for (const std::string& arg :
         {config_.python(), std::string("-I"), std::string("-S"),
          std::string("-B"), std::string("-c"), Harness(),
          absl::StrCat(counted ? config_.processes() : 0),
          std::string(shared ? "shared" : "own")}) {
      command.args.push_back(arg);
    }
    ASSIGN_OR_RETURN(const SandboxOutcome outcome, RunSandboxCommand(command));
    return ReadVerdict(outcome, nonce);
  }

 private:
  SandboxCommand Limits() const {
    SandboxCommand command;
    command.environment = {"PATH=/usr/bin", "LANG=C.UTF-8"};
    command.filter = filter_;
    command.cpu_seconds = config_.cpu_seconds();
    command.memory_bytes = uint64_t{config_.memory_mb()} << 20;
    command.file_bytes = uint64_t{config_.file_mb()} << 20;
    command.output_bytes = uint64_t{config_.output_kb()} << 10;
    command.wall = absl::Milliseconds(config_.wall_ms());
    if (geteuid() == 0) command.user = kNobody;
    return command;
  }

  absl::Status GiveFolder(SandboxCommand& command) const {
    if (geteuid() == 0) command.user = NextUser();
    std::string folder = "/tmp/operant_code_XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) {
      return ErrnoStatus(errno, "cannot create", folder);
    }
    command.folder = folder;
    if (command.user != 0 &&
        chown(folder.c_str(), command.user, command.user) != 0) {
      return ErrnoStatus(errno, "cannot give away", folder);
    }
    command.environment.push_back("HOME=" + folder);
    return absl::OkStatus();
  }

  const v1::Sandbox config_;
  const std::string filter_;
};

absl::Status CannotBeHad(const v1::Sandbox& config, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat(
      "no sandbox, so no code is run: reward.sandbox.kind=", config.kind(),
      ": ", why,
      "; bubblewrap needs user namespaces (in a container: a "
      "security profile that allows them); where the pod itself is a sandbox "
      "(gVisor, Kata) set reward.sandbox.kind=runtime-class"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Sandbox>> Sandbox::Create(
    const v1::Sandbox& config) {
  const bool shared = config.kind() == "runtime-class";
  if (access(config.python().c_str(), X_OK) != 0) {
    return CannotBeHad(config,
                       absl::StrCat("reward.sandbox.python='", config.python(),
                                    "' cannot be run"));
  }
  if (!shared && access(kBubblewrap, X_OK) != 0) {
    return CannotBeHad(config, absl::StrCat(kBubblewrap, " is not installed"));
  }
  if (!shared && !absl::StartsWith(config.python(), "/usr/")) {
    return CannotBeHad(
        config, absl::StrCat("reward.sandbox.python='", config.python(),
                             "' is not below /usr, which is all that programs "
                             "can see"));
  }
  ASSIGN_OR_RETURN(std::string filter,
                   BuildSystemCallFilter(shared ? FilterScope::kSharedMachine
                                                : FilterScope::kNamespaces));
  auto sandbox = std::make_unique<SandboxImpl>(config, std::move(filter));
  const absl::StatusOr<SandboxVerdict> first =
      sandbox->Run("def f(x):\n  return x + 1\n", "assert f(1) == 2");
  if (!first.ok()) return CannotBeHad(config, first.status().message());
  if (first->end != SandboxVerdict::End::kPassed) {
    return CannotBeHad(
        config, absl::StrCat("a first program did not pass: ", first->said));
  }
  return std::unique_ptr<const Sandbox>(std::move(sandbox));
}

}  // namespace operant::reward
