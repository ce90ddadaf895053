// Collectives over Gloo between 2 and 4 processes of this machine: the bytes on
// the wire by the kernel's count, and how soon every rank knows that one of
// them was killed or stopped.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ATen/Functions.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/report.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "learner/collective.h"
#include "tests/testing/folder_rendezvous.h"
#include "tests/testing/socket_bytes.h"

namespace operant::bench {
namespace {

using learner::Collective;
using learner::CreateGlooCollective;
using learner::Reduction;

constexpr std::array kWorlds = {2, 4};
constexpr int kDeaths = 20;     // of each kind, on each number of ranks
constexpr int kExchanges = 10;  // that are measured
constexpr int kWarmUps = 3;     // exchanges before a rank counts as running
constexpr int64_t kElements = 4 << 20;  // fp32, divisible by every world size
constexpr int64_t kSmall = 16 << 10;    // of the exchanges that a death ends
constexpr absl::Duration kTimeout = absl::Seconds(1);    // of an exchange
constexpr absl::Duration kPatience = absl::Seconds(60);  // with a rank

// What a rank tells the parent.
struct Said {
  double value = 0;
  absl::StatusCode code = absl::StatusCode::kOk;
};

// The same clock in every process.
double SteadySeconds() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::ToDoubleSeconds(absl::DurationFromTimespec(now));
}

using Say = std::function<void(const Said&)>;
using RankBody = std::function<void(Collective&, const Say&)>;

// `size` processes, forked: nothing that the parent uses has threads.
class Ranks {
 public:
  Ranks(int size, const RankBody& body)
      : folder_(
            absl::StrCat("bench/out/collective_", getpid(), "_", count_++)) {
    MakeDirectories(folder_).IgnoreError();
    for (int rank = 0; rank < size; ++rank) Fork(rank, size, body);
  }
  ~Ranks() {
    for (const Child& child : children_) {
      kill(child.pid, SIGKILL);
      waitpid(child.pid, nullptr, 0);
      close(child.from);
    }
    RemoveTree(folder_).IgnoreError();
  }

  int size() const { return static_cast<int>(children_.size()); }
  void Signal(int rank, int signal) { kill(children_[rank].pid, signal); }

  // The next thing that `rank` says.
  absl::StatusOr<Said> Hear(int rank) {
    pollfd readable{.fd = children_[rank].from, .events = POLLIN};
    Said said;
    if (poll(&readable, 1, absl::ToInt64Milliseconds(kPatience)) != 1 ||
        read(readable.fd, &said, sizeof(said)) != sizeof(said)) {
      return absl::InternalError(absl::StrCat("rank ", rank, " said nothing"));
    }
    return said;
  }

 private:
  struct Child {
    pid_t pid;
    int from;
  };

  void Fork(int rank, int size, const RankBody& body) {
    std::array<int, 2> ends;
    if (pipe(ends.data()) != 0) std::exit(1);
    const pid_t pid = fork();
    if (pid == 0) Play(rank, size, ends[1], body);
    close(ends[1]);
    children_.push_back({pid, ends[0]});
  }

  [[noreturn]] void Play(int rank, int size, int to, const RankBody& body) {
    testing_support::FolderRendezvous rendezvous(folder_);
    const auto made = CreateGlooCollective({.rank = rank,
                                            .size = size,
                                            .timeout = kTimeout,
                                            .rendezvous = &rendezvous,
                                            .rendezvous_timeout = kPatience,
                                            .group = "bench"});
    if (made.ok()) {
      Collective& ranks = **made;
      body(ranks, [to](const Said& said) {
        if (write(to, &said, sizeof(said)) != sizeof(said)) _exit(1);
      });
    } else {
      std::fprintf(stderr, "%s\n", made.status().ToString().c_str());
    }
    _exit(made.ok() ? 0 : 1);
  }

  static inline int count_ = 0;
  const std::string folder_;
  std::vector<Child> children_;
};

// Measured over 2 S (n-1)/n, by exchange; then GB/s of that on this rank.
void MeasureAllReduce(Collective& ranks, const Say& say) {
  at::Tensor data = at::ones({kElements}, at::kFloat);
  const double formula =
      2.0 * data.nbytes() * (ranks.size() - 1) / ranks.size();
  for (int i = 0; i < kWarmUps + kExchanges; ++i) {
    if (!ranks.Barrier("before").ok()) return;
    const int64_t before = testing_support::TcpBytesAcknowledged();
    const double begun = SteadySeconds();
    if (!ranks.AllReduce(data, Reduction::kSum, "data")->Wait().ok()) return;
    const double seconds = SteadySeconds() - begun;
    if (!ranks.Barrier("after").ok()) return;
    absl::SleepFor(absl::Milliseconds(100));  // acknowledgements come late
    const int64_t sent = testing_support::TcpBytesAcknowledged() - before;
    if (i < kWarmUps) continue;
    say({static_cast<double>(sent) / formula});
    say({formula / seconds / 1e9});
  }
}

absl::StatusOr<std::vector<Row>> AllReduceRows(int size) {
  Ranks ranks(size, MeasureAllReduce);
  std::vector<double> ratios, rates;
  for (int rank = 0; rank < size; ++rank) {
    for (int i = 0; i < kExchanges; ++i) {
      ASSIGN_OR_RETURN(const Said ratio, ranks.Hear(rank));
      ASSIGN_OR_RETURN(const Said rate, ranks.Hear(rank));
      ratios.push_back(ratio.value);
      rates.push_back(rate.value);
    }
  }
  std::vector<Row> rows = {
      MedianRow(absl::StrCat("allreduce-bytes-", size), "x", ratios),
      MedianRow(absl::StrCat("allreduce-", size), "GB/s", rates)};
  rows[0].against = "2 S (n-1)/n";
  rows[0].note = absl::StrCat(size, " ranks, ", kElements * 4 >> 20,
                              " MiB, by the kernel's count");
  rows[1].note = "bytes sent by a rank, over loopback";
  return rows;
}

// Exchanges without end; says when they run, and when and how they ended.
void ExchangeUntilItFails(Collective& ranks, const Say& say) {
  at::Tensor data = at::ones({kSmall}, at::kFloat);
  absl::Status status;
  for (int i = 0; status.ok(); ++i) {
    if (i == kWarmUps) say({});
    status = ranks.AllReduce(data, Reduction::kMax, "data")->Wait();
  }
  say({SteadySeconds(), status.code()});
}

// Seconds from the signal until the last of the other ranks knew.
absl::StatusOr<double> SecondsToNotice(int size, int signal, int round) {
  Ranks ranks(size, ExchangeUntilItFails);
  for (int rank = 0; rank < size; ++rank)
    RETURN_IF_ERROR(ranks.Hear(rank).status());
  const int victim = round % size;
  absl::SleepFor(
      absl::Milliseconds(7 * round % 50));  // anywhere in an exchange
  const double begun = SteadySeconds();
  ranks.Signal(victim, signal);
  double last = begun;
  for (int rank = 0; rank < size; ++rank) {
    if (rank == victim) continue;
    ASSIGN_OR_RETURN(const Said end, ranks.Hear(rank));
    last = std::max(last, end.value);
  }
  return last - begun;
}

absl::StatusOr<Row> DeathRow(const std::string& name, int size, int signal) {
  std::vector<double> seconds;
  for (int round = 0; round < kDeaths; ++round) {
    ASSIGN_OR_RETURN(const double noticed,
                     SecondsToNotice(size, signal, round));
    seconds.push_back(noticed);
  }
  std::sort(seconds.begin(), seconds.end());
  const int rank95 = static_cast<int>(std::ceil(0.95 * kDeaths)) - 1;
  return Row{.name = absl::StrCat(name, "-", size),
             .value = seconds[rank95],
             .unit = "s",
             .low = seconds.front(),
             .high = seconds.back(),
             .note = absl::StrCat("p95 of ", kDeaths, ", until the last of ",
                                  size, " ranks knew")};
}

// The row of the world size that does worse by `badness`.
Row Worst(const std::string& name, const std::vector<Row>& rows,
          const std::function<double(const Row&)>& badness) {
  Row worst = *std::max_element(
      rows.begin(), rows.end(),
      [&](const Row& a, const Row& b) { return badness(a) < badness(b); });
  worst.note = absl::StrCat("the worse of ", worst.name, " and its like");
  worst.name = name;
  return worst;
}

absl::Status Run() {
  std::vector<Row> rows, ratios, kills, stops;
  for (const int size : kWorlds) {
    ASSIGN_OR_RETURN(const std::vector<Row> measured, AllReduceRows(size));
    ratios.push_back(measured[0]);
    rows.insert(rows.end(), measured.begin(), measured.end());
    ASSIGN_OR_RETURN(Row killed, DeathRow("rank-death-p95", size, SIGKILL));
    kills.push_back(killed);
    rows.push_back(killed);
    ASSIGN_OR_RETURN(Row stopped, DeathRow("rank-stop-p95", size, SIGSTOP));
    stopped.note +=
        absl::StrCat("; the deadline is ", absl::FormatDuration(kTimeout));
    stops.push_back(stopped);
    rows.push_back(stopped);
  }
  const auto seconds = [](const Row& row) { return row.value; };
  rows.push_back(Worst("rank-stop-p95", stops, seconds));
  rows.push_back(Worst("rank-death-p95", kills, seconds));
  rows.push_back(Worst("allreduce-bytes", ratios,
                       [](const Row& row) { return std::abs(row.value - 1); }));
  return Report("collective_bench", rows);
}

}  // namespace
}  // namespace operant::bench

int main() {
  const absl::Status status = operant::bench::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "collective_bench: %s\n", status.ToString().c_str());
  return 1;
}
