#include "reward/sandbox_filter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace operant::reward {
namespace {

// What an interpreter with threads, child processes and files calls. Names
// that this architecture does not have are left out.
constexpr const char* kAllowed[] = {"access",
                                    "alarm",
                                    "arch_prctl",
                                    "brk",
                                    "chdir",
                                    "chmod",
                                    "clock_getres",
                                    "clock_gettime",
                                    "clock_nanosleep",
                                    "close",
                                    "close_range",
                                    "copy_file_range",
                                    "creat",
                                    "dup",
                                    "dup2",
                                    "dup3",
                                    "epoll_create",
                                    "epoll_create1",
                                    "epoll_ctl",
                                    "epoll_pwait",
                                    "epoll_wait",
                                    "eventfd2",
                                    "execve",
                                    "exit",
                                    "exit_group",
                                    "faccessat",
                                    "faccessat2",
                                    "fadvise64",
                                    "fallocate",
                                    "fchdir",
                                    "fchmod",
                                    "fchmodat",
                                    "fcntl",
                                    "fdatasync",
                                    "flock",
                                    "fork",
                                    "fstat",
                                    "fstatfs",
                                    "fsync",
                                    "ftruncate",
                                    "futex",
                                    "getcwd",
                                    "getdents",
                                    "getdents64",
                                    "getegid",
                                    "geteuid",
                                    "getgid",
                                    "getgroups",
                                    "getitimer",
                                    "getpgid",
                                    "getpgrp",
                                    "getpid",
                                    "getppid",
                                    "getpriority",
                                    "getrandom",
                                    "getresgid",
                                    "getresuid",
                                    "getrlimit",
                                    "get_robust_list",
                                    "getrusage",
                                    "getsid",
                                    "gettid",
                                    "gettimeofday",
                                    "getuid",
                                    "lseek",
                                    "lstat",
                                    "madvise",
                                    "membarrier",
                                    "mkdir",
                                    "mkdirat",
                                    "mlock",
                                    "mmap",
                                    "mprotect",
                                    "mremap",
                                    "msync",
                                    "munlock",
                                    "munmap",
                                    "nanosleep",
                                    "newfstatat",
                                    "open",
                                    "openat",
                                    "pause",
                                    "pipe",
                                    "pipe2",
                                    "poll",
                                    "ppoll",
                                    "pread64",
                                    "preadv",
                                    "prlimit64",
                                    "pselect6",
                                    "pwrite64",
                                    "pwritev",
                                    "read",
                                    "readlink",
                                    "readlinkat",
                                    "readv",
                                    "rename",
                                    "renameat",
                                    "renameat2",
                                    "restart_syscall",
                                    "rmdir",
                                    "rseq",
                                    "rt_sigaction",
                                    "rt_sigpending",
                                    "rt_sigprocmask",
                                    "rt_sigreturn",
                                    "rt_sigsuspend",
                                    "rt_sigtimedwait",
                                    "sched_getaffinity",
                                    "sched_getparam",
                                    "sched_getscheduler",
                                    "sched_yield",
                                    "select",
                                    "sendfile",
                                    "setitimer",
                                    "setrlimit",
                                    "set_robust_list",
                                    "set_tid_address",
                                    "sigaltstack",
                                    "stat",
                                    "statfs",
                                    "statx",
                                    "symlink",
                                    "symlinkat",
                                    "sysinfo",
                                    "tgkill",
                                    "time",
                                    "times",
                                    "truncate",
                                    "umask",
                                    "uname",
                                    "unlink",
                                    "unlinkat",
                                    "utime",
                                    "utimensat",
                                    "vfork",
                                    "wait4",
                                    "waitid",
                                    "write",
                                    "writev"};
// Harmless inside a process namespace of one's own.
constexpr const char* kAllowedInNamespaces[] = {"kill", "setpgid", "setsid",
                                                "tkill"};
constexpr unsigned long kHarmlessIoctls[] = {TCGETS,   FIOCLEX, FIONCLEX,
                                             FIONREAD, FIONBIO, TIOCGWINSZ};
// Flags of clone() that make namespaces.
constexpr uint64_t kNamespaceFlags =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

absl::Status SeccompError(const char* what, int error) {
  return absl::InternalError(
      absl::StrCat("cannot ", what, ": ", std::strerror(-error)));
}

class FilterBuilder {
 public:
  FilterBuilder() : context_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {}
  ~FilterBuilder() {
    if (context_ != nullptr) seccomp_release(context_);
  }

  void Allow(const char* name) {
    const int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR || call < 0) return;
    Note(seccomp_rule_add(context_, SCMP_ACT_ALLOW, call, 0));
  }
  void AllowIoctls() {
    for (const unsigned long request : kHarmlessIoctls) {
      Note(seccomp_rule_add(context_, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                            SCMP_A1(SCMP_CMP_EQ, request)));
    }
  }
  // clone3 hides its flags behind a pointer: without it the C library falls
  // back to clone.
  void AllowThreadsAndProcesses() {
    Note(seccomp_rule_add(context_, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                          SCMP_A0(SCMP_CMP_MASKED_EQ, kNamespaceFlags, 0)));
    Note(seccomp_rule_add(context_, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3),
                          0));
  }
  // What keeps others of the same user out of a process's memory.
  void AllowToBecomeUndumpable() {
    Note(seccomp_rule_add(context_, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2,
                          SCMP_A0(SCMP_CMP_EQ, PR_SET_DUMPABLE),
                          SCMP_A1(SCMP_CMP_EQ, 0)));
  }

  absl::StatusOr<std::string> Export() {
    if (context_ == nullptr || error_ != 0) {
      return SeccompError("build a system call filter", error_);
    }
    const int fd = memfd_create("operant_filter", MFD_CLOEXEC);
    if (fd < 0) return SeccompError("hold a system call filter", -errno);
    const auto close_fd = absl::MakeCleanup([fd] { close(fd); });
    const int error = seccomp_export_bpf(context_, fd);
    if (error != 0) return SeccompError("export a system call filter", error);
    std::string program(lseek(fd, 0, SEEK_END), '\0');
    if (pread(fd, program.data(), program.size(), 0) !=
        static_cast<ssize_t>(program.size())) {
      return SeccompError("read a system call filter", -errno);
    }
    return program;
  }

 private:
  void Note(int error) {
    if (error_ == 0) error_ = error;
  }

  const scmp_filter_ctx context_;
  int error_ = 0;  // the first
};

}  // namespace

absl::StatusOr<std::string> BuildSystemCallFilter(FilterScope scope) {
  FilterBuilder builder;
  for (const char* name : kAllowed) builder.Allow(name);
  if (scope == FilterScope::kNamespaces) {
    for (const char* name : kAllowedInNamespaces) builder.Allow(name);
  }
  builder.AllowIoctls();
  builder.AllowThreadsAndProcesses();
  builder.AllowToBecomeUndumpable();
  return builder.Export();
}

}  // namespace operant::reward
