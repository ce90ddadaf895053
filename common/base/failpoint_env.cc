#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/failpoint.h"
#include "common/base/file_io.h"

namespace operant {
namespace {

struct Rule {
  std::string text, site, action;
  int nth = 1;
};

[[noreturn]] void Malformed(const std::string& text) {
  const std::string line =
      absl::StrCat("OPERANT_FAILPOINTS: '", text,
                   "', expected trace=FILE or SITE=kill|sleep:MS|error|full"
                   "[@N], separated by ';'\n");
  [[maybe_unused]] const ssize_t put =
      write(STDERR_FILENO, line.data(), line.size());
  _exit(64);
}

// What the environment says, and how often each site was hit.
class Failpoints {
 public:
  Failpoints() {
    const char* text = std::getenv("OPERANT_FAILPOINTS");
    if (text == nullptr) return;
    for (const std::string& part :
         std::vector<std::string>(absl::StrSplit(text, ';', absl::SkipEmpty())))
      Read(part);
    if (trace_.empty() && !rules_.empty()) Malformed(text);
  }

  absl::Status Hit(const std::string& site) {
    if (trace_.empty()) return absl::OkStatus();
    absl::MutexLock lock(&mu_);
    const int hits = ++hits_[site];
    if (hits == 1) Note(absl::StrCat("hit ", site));
    for (const Rule& rule : rules_) {
      if (rule.site != site || rule.nth != hits) continue;
      if (!FireOnce(rule.text)) continue;
      return Act(rule);
    }
    return absl::OkStatus();
  }

 private:
  void Read(const std::string& part) {
    const std::vector<std::string> sides =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (sides.size() != 2) Malformed(part);
    if (sides[0] == "trace") {
      trace_ = sides[1];
      return;
    }
    Rule rule{.text = part, .site = sides[0]};
    const std::vector<std::string> action = absl::StrSplit(sides[1], '@');
    rule.action = action[0];
    if (action.size() > 1 && !absl::SimpleAtoi(action[1], &rule.nth))
      Malformed(part);
    rules_.push_back(rule);
  }

  void Note(const std::string& line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const int fd =
        open(trace_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    const std::string text = line + "\n";
    [[maybe_unused]] const ssize_t put = write(fd, text.data(), text.size());
    close(fd);
  }

  // Whether no process of this trace has fired it; notes that this one does.
  bool FireOnce(const std::string& rule) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const int lock =
        open((trace_ + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    flock(lock, LOCK_EX);
    const std::string line = absl::StrCat("fired ", rule);
    const std::vector<std::string> lines =
        absl::StrSplit(ReadFile(trace_).value_or(""), '\n');
    bool first = true;
    for (const std::string& known : lines) first &= known != line;
    if (first) Note(line);
    close(lock);
    return first;
  }

  absl::Status Act(const Rule& rule) {
    absl::string_view action = rule.action;
    if (action == "kill") raise(SIGKILL);
    if (action == "error") {
      return absl::UnavailableError(absl::StrCat("failpoint ", rule.site));
    }
    if (action == "full") {
      return absl::ResourceExhaustedError(
          absl::StrCat("failpoint ", rule.site, ": no space left on device"));
    }
    int64_t ms = 0;
    if (!absl::ConsumePrefix(&action, "sleep:") ||
        !absl::SimpleAtoi(action, &ms))
      Malformed(rule.text);
    absl::SleepFor(absl::Milliseconds(ms));
    return absl::OkStatus();
  }

  absl::Mutex mu_;
  std::string trace_;
  std::vector<Rule> rules_;
  std::map<std::string, int> hits_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

absl::Status Failpoint(const char* site) {
  static Failpoints* const failpoints = new Failpoints;
  return failpoints->Hit(site);
}

}  // namespace operant
