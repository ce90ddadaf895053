#include "reward/sandbox_process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace operant::reward {
namespace {

constexpr uint64_t kMaxVerdictBytes = 64 << 10;
// What is left after the end of a run is killed; that takes milliseconds.
constexpr absl::Duration kReapTimeout = absl::Seconds(1);
constexpr uint64_t kOpenFiles = 64;
// Above every descriptor that the child gets: moving one never hits another.
constexpr int kFirstHighFd = 64;

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { Close(); }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

struct Pipe {
  Fd read, write;
};

absl::Status Unavailable(const char* what) {
  return absl::UnavailableError(
      absl::StrCat("sandbox cannot run: ", what, ": ", std::strerror(errno)));
}

absl::StatusOr<Pipe> Hold(int made, const int (&fds)[2]) {
  if (made != 0) return Unavailable("no pipe");
  Pipe held;
  held.read = Fd(fcntl(fds[0], F_DUPFD_CLOEXEC, kFirstHighFd));
  held.write = Fd(fcntl(fds[1], F_DUPFD_CLOEXEC, kFirstHighFd));
  close(fds[0]);
  close(fds[1]);
  if (!held.read.open() || !held.write.open()) return Unavailable("no pipe");
  return held;
}

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  const int made = pipe2(fds, O_CLOEXEC);
  return Hold(made, fds);
}

// A pipe that one may write to without SIGPIPE once nobody reads.
absl::StatusOr<Pipe> MakeQuietPipe() {
  int fds[2];
  const int made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
  return Hold(made, fds);
}

void SetNonBlocking(const Fd& fd) {
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& text : strings) {
    pointers.push_back(const_cast<char*>(text.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

// Between fork and exec: async-signal-safe calls only, and no memory. `grace`
// stands between a limit that warns and the one that kills.
bool Limit(int resource, uint64_t most, uint64_t grace = 0) {
  rlimit limit = {};
  if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) {
    return false;
  }
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, most + grace);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, most);
  return setrlimit(static_cast<__rlimit_resource>(resource), &limit) == 0;
}

bool ApplyLimits(const SandboxCommand& command) {
  return Limit(RLIMIT_CORE, 0) && Limit(RLIMIT_NOFILE, kOpenFiles) &&
         Limit(RLIMIT_CPU, command.cpu_seconds, 1) &&
         Limit(RLIMIT_AS, command.memory_bytes) &&
         Limit(RLIMIT_FSIZE, command.file_bytes);
}

bool BecomeUser(uint32_t user) {
  return user == 0 ||
         (setgroups(0, nullptr) == 0 && setresgid(user, user, user) == 0 &&
          setresuid(user, user, user) == 0);
}

// Bubblewrap does this itself, after what it needs to do.
bool ApplyFilter(const std::string& filter) {
  sock_fprog program = {};
  program.len = static_cast<uint16_t>(filter.size() / sizeof(sock_filter));
  program.filter =
      reinterpret_cast<sock_filter*>(const_cast<char*>(filter.data()));
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

struct ChildFds {
  int null, output, job, verdict, filter;
};

bool PlaceFds(const ChildFds& fds) {
  const int sources[] = {fds.null, fds.output,  fds.output,
                         fds.job,  fds.verdict, fds.filter};
  for (int target = 0; target < 6; ++target) {
    if (sources[target] < 0) {
      close(target);
    } else if (dup2(sources[target], target) < 0) {
      return false;
    }
  }
  // Whatever else the process had open is none of the program's business.
  if (syscall(SYS_close_range, kFilterFd + 1, ~0U, 0) == 0) return true;
  for (int fd = kFilterFd + 1; fd < 4096; ++fd) close(fd);
  return true;
}

[[noreturn]] void RunChild(const SandboxCommand& command, const ChildFds& fds,
                           char* const* args, char* const* environment) {
  setpgid(0, 0);
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const char* folder = command.folder.empty() ? "/" : command.folder.c_str();
  if (PlaceFds(fds) && chdir(folder) == 0 && BecomeUser(command.user) &&
      ApplyLimits(command) &&
      (command.monitored || ApplyFilter(command.filter))) {
    execve(args[0], args, environment);
  }
  const char kFailed[] = "operant: the sandbox's command cannot be run\n";
  (void)!write(STDERR_FILENO, kFailed, sizeof(kFailed) - 1);
  _exit(127);
}

// Kills the children of `pid`, that is, what runs inside of bubblewrap's
// monitor, which then waits for them and ends: nobody else would.
void KillChildrenOf(pid_t pid) {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
  FILE* file = std::fopen(path, "re");
  if (file == nullptr) return;
  int child = 0;
  while (std::fscanf(file, "%d", &child) == 1) kill(child, SIGKILL);
  std::fclose(file);
}

class SandboxProcess {
 public:
  explicit SandboxProcess(const SandboxCommand& command) : command_(command) {}
  ~SandboxProcess() { Reap(); }

  absl::Status Start();
  // Until the verdict is complete, or a limit.
  void Collect();
  // Kills what is left; idempotent.
  void Reap();
  const SandboxOutcome& outcome() const { return outcome_; }

 private:
  bool PollOnce(absl::Time deadline);
  void WriteJob();
  // Appends what `fd` has to `to`; closes it at its end.
  static void Drain(Fd& fd, uint64_t most, std::string& to, bool& overflow);
  void AwaitOutputEnd();

  const SandboxCommand& command_;
  SandboxOutcome outcome_;
  pid_t pid_ = -1;
  Fd job_, verdict_, output_;
  size_t written_ = 0;
};

absl::Status SandboxProcess::Start() {
  ASSIGN_OR_RETURN(Pipe job, MakeQuietPipe());
  ASSIGN_OR_RETURN(Pipe verdict, MakePipe());
  ASSIGN_OR_RETURN(Pipe output, MakePipe());
  ASSIGN_OR_RETURN(Pipe filter, MakePipe());
  const Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  // A filter is smaller than a pipe's buffer: this does not block.
  if (write(filter.write.get(), command_.filter.data(),
            command_.filter.size()) !=
      static_cast<ssize_t>(command_.filter.size())) {
    return Unavailable("no filter");
  }
  filter.write.Close();
  const std::vector<char*> args = Pointers(command_.args);
  const std::vector<char*> environment = Pointers(command_.environment);
  const ChildFds fds = {null.get(), output.write.get(), job.read.get(),
                        verdict.write.get(),
                        command_.filter.empty() ? -1 : filter.read.get()};
  pid_ = fork();
  if (pid_ < 0) return Unavailable("no process");
  if (pid_ == 0) RunChild(command_, fds, args.data(), environment.data());
  setpgid(pid_, pid_);  // whoever is first
  job_ = std::move(job.write);
  verdict_ = std::move(verdict.read);
  output_ = std::move(output.read);
  for (const Fd* fd : {&job_, &verdict_, &output_}) SetNonBlocking(*fd);
  return absl::OkStatus();
}

void SandboxProcess::Collect() {
  const absl::Time deadline = absl::Now() + command_.wall;
  while (verdict_.open() && !outcome_.overflow) {
    if (!PollOnce(deadline)) {
      outcome_.timeout = true;
      return;
    }
  }
}

bool SandboxProcess::PollOnce(absl::Time deadline) {
  const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
  if (left <= 0) return false;
  pollfd fds[] = {{verdict_.get(), POLLIN, 0},
                  {output_.get(), POLLIN, 0},
                  {job_.get(), POLLOUT, 0}};
  if (poll(fds, 3, static_cast<int>(left)) <= 0) return errno == EINTR;
  bool too_long = false;
  if (fds[0].revents != 0) {
    Drain(verdict_, kMaxVerdictBytes, outcome_.verdict, too_long);
  }
  if (fds[1].revents != 0) {
    Drain(output_, command_.output_bytes, outcome_.output, outcome_.overflow);
  }
  if (fds[2].revents != 0) WriteJob();
  return true;
}

void SandboxProcess::WriteJob() {
  const ssize_t bytes = send(job_.get(), command_.job.data() + written_,
                             command_.job.size() - written_, MSG_NOSIGNAL);
  if (bytes > 0) written_ += bytes;
  const bool broken = bytes < 0 && errno != EAGAIN && errno != EINTR;
  if (broken || written_ == command_.job.size()) job_.Close();
}

void SandboxProcess::Drain(Fd& fd, uint64_t most, std::string& to,
                           bool& overflow) {
  char buffer[16 << 10];
  const ssize_t bytes = read(fd.get(), buffer, sizeof(buffer));
  if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (bytes <= 0) {
    fd.Close();
    return;
  }
  const uint64_t room = most - std::min<uint64_t>(most, to.size());
  overflow = overflow || static_cast<uint64_t>(bytes) > room;
  to.append(buffer, std::min<uint64_t>(room, bytes));
}

// All that ran held an end of the output, so its end is theirs.
void SandboxProcess::AwaitOutputEnd() {
  const absl::Time deadline = absl::Now() + kReapTimeout;
  while (output_.open() && absl::Now() < deadline) {
    pollfd fd = {output_.get(), POLLIN, 0};
    poll(&fd, 1, 10);
    if (fd.revents == 0) continue;
    std::string ignored;
    bool overflow = false;
    Drain(output_, 0, ignored, overflow);
  }
}

void SandboxProcess::Reap() {
  if (pid_ <= 0) return;
  job_.Close();
  const bool ended = !verdict_.open() && !outcome_.overflow;
  if (!command_.monitored) kill(-pid_, SIGKILL);
  if (command_.monitored && !ended) KillChildrenOf(pid_);
  AwaitOutputEnd();
  kill(-pid_, SIGKILL);
  while (waitpid(pid_, &outcome_.wait_status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

}  // namespace

absl::StatusOr<SandboxOutcome> RunSandboxCommand(
    const SandboxCommand& command) {
  SandboxProcess process(command);
  RETURN_IF_ERROR(process.Start());
  process.Collect();
  process.Reap();
  return process.outcome();
}

}  // namespace operant::reward
