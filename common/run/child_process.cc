#include "common/run/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"

extern char** environ;

namespace operant {
namespace {

// Closes a descriptor at the end of a scope.
class ScopedFd {
 public:
  explicit ScopedFd(int fd) : fd_(fd) {}
  ~ScopedFd() { Close(); }
  ScopedFd(const ScopedFd&) = delete;
  ScopedFd& operator=(const ScopedFd&) = delete;
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) {
    pointers.push_back(const_cast<char*>(text.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

std::string NameOf(const std::string& assignment) {
  return assignment.substr(0, assignment.find('='));
}

// Our environment with `added` in place of what it names.
std::vector<std::string> MergedEnvironment(
    const std::vector<std::string>& added) {
  std::vector<std::string> merged = added;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    bool replaced = false;
    for (const std::string& a : added) replaced |= NameOf(a) == NameOf(*entry);
    if (!replaced) merged.emplace_back(*entry);
  }
  return merged;
}

// Everything the child needs between fork and exec, made before the fork:
// afterwards only async-signal-safe calls are allowed.
struct ExecPlan {
  const char* program;
  char** args;
  char** environment;
  int input_fd;
  int log_fd;
  int error_fd;  // takes errno if exec fails; closed by exec otherwise
  bool show_output;
  pid_t parent;
};

[[noreturn]] void ExecOrReport(const ExecPlan& plan) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have died before the line above took effect.
  if (getppid() != plan.parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(plan.input_fd, STDIN_FILENO);
  if (!plan.show_output) dup2(plan.log_fd, STDOUT_FILENO);
  dup2(plan.log_fd, STDERR_FILENO);
  execve(plan.program, plan.args, plan.environment);
  const int error = errno;
  [[maybe_unused]] const ssize_t n =
      write(plan.error_fd, &error, sizeof(error));
  _exit(127);
}

// errno of the child's exec, or 0 once exec closed its end of the pipe.
int ReadExecError(int fd) {
  int error = 0;
  ssize_t n;
  do {
    n = read(fd, &error, sizeof(error));
  } while (n < 0 && errno == EINTR);
  return n == sizeof(error) ? error : 0;
}

absl::StatusOr<pid_t> ForkAndExec(const ProcessSpec& spec, int log_fd) {
  const ScopedFd input(open("/dev/null", O_RDONLY | O_CLOEXEC));
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return ErrnoStatus(errno, "cannot start", spec.args[0]);
  }
  const ScopedFd error_reader(pipe_fds[0]);
  ScopedFd error_writer(pipe_fds[1]);
  const std::vector<std::string> environment =
      MergedEnvironment(spec.environment);
  std::vector<char*> args = Pointers(spec.args);
  std::vector<char*> variables = Pointers(environment);
  const ExecPlan plan = {.program = args[0],
                         .args = args.data(),
                         .environment = variables.data(),
                         .input_fd = input.get(),
                         .log_fd = log_fd,
                         .error_fd = error_writer.get(),
                         .show_output = spec.show_output,
                         .parent = getpid()};
  const pid_t pid = fork();
  if (pid == 0) ExecOrReport(plan);
  if (pid < 0) return ErrnoStatus(errno, "cannot start", spec.args[0]);
  error_writer.Close();
  if (const int error = ReadExecError(error_reader.get()); error != 0) {
    waitpid(pid, nullptr, 0);
    return ErrnoStatus(error, "cannot execute", spec.args[0]);
  }
  return pid;
}

double Seconds(const timeval& t) { return t.tv_sec + t.tv_usec * 1e-6; }

}  // namespace

std::string DescribeExit(const ProcessExit& exit) {
  if (exit.signal == 0) return absl::StrCat("exit code ", exit.exit_code);
  return absl::StrCat("signal ", exit.signal, " (", strsignal(exit.signal),
                      ")");
}

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const ProcessSpec& spec) {
  if (spec.args.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot start ", spec.role, ": args=[], expected a program"));
  }
  const ScopedFd log(open(spec.log_path.c_str(),
                          O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (log.get() < 0) return ErrnoStatus(errno, "cannot open", spec.log_path);
  ASSIGN_OR_RETURN(const pid_t pid, ForkAndExec(spec, log.get()));
  const int ended_fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (ended_fd < 0) {
    const int error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return ErrnoStatus(error, "cannot watch", spec.role);
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(spec, pid, ended_fd));
}

ChildProcess::~ChildProcess() {
  if (!exit_.has_value()) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(ended_fd_);
}

std::optional<ProcessExit> ChildProcess::TryReap() {
  if (exit_.has_value()) return exit_;
  int status = 0;
  rusage usage = {};
  if (wait4(pid_, &status, WNOHANG, &usage) != pid_) return std::nullopt;
  exit_ = ProcessExit{
      .role = spec_.role,
      .pid = pid_,
      .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
      .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
      .peak_resident_bytes = int64_t{usage.ru_maxrss} * 1024,
      .cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime)};
  return exit_;
}

void ChildProcess::Signal(int signal) {
  if (!exit_.has_value()) kill(pid_, signal);
}

}  // namespace operant
