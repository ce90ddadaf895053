// Time, chance, the network and the disk of a simulated cluster: one thread,
// all drawn from the seed.
#ifndef OPERANT_TESTS_SIMULATION_WORLD_H_
#define OPERANT_TESTS_SIMULATION_WORLD_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace operant::simulation {

class Chance {
 public:
  explicit Chance(uint64_t seed) : engine_(seed) {}
  bool Happens(double probability) { return Real(0, 1) < probability; }
  double Real(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(engine_);
  }
  int Whole(int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(engine_);
  }
  absl::Duration Seconds(double low, double high) {
    return absl::Seconds(Real(low, high));
  }

 private:
  std::mt19937_64 engine_;
};

// Runs what was scheduled, in the order of time.
class Agenda {
 public:
  using Task = std::function<void()>;
  absl::Time now() const { return now_; }
  void After(absl::Duration delay, Task task) {
    tasks_.push({now_ + delay, next_++, std::move(task)});
  }
  void RunUntil(absl::Time end) {
    while (!tasks_.empty() && tasks_.top().at <= end) {
      Entry entry = tasks_.top();
      tasks_.pop();
      now_ = entry.at;
      entry.task();
    }
    now_ = end;
  }

 private:
  struct Entry {
    absl::Time at;
    uint64_t order;
    Task task;
    bool operator<(const Entry& other) const {
      return std::tie(other.at, other.order) < std::tie(at, order);
    }
  };
  std::priority_queue<Entry> tasks_;
  absl::Time now_ = absl::UnixEpoch();
  uint64_t next_ = 0;
};

// A log on a disk that forgets, in a crash, a tail of what was not synced.
class Disk {
 public:
  using Write = std::function<void()>;  // puts one record into the tables
  struct Pending {
    Write write;
    std::function<void()> durable;
  };

  void Append(Write write, std::function<void()> durable) {
    pending_.push_back({std::move(write), std::move(durable)});
  }
  size_t pending() const { return pending_.size(); }
  // Makes the first `count` durable; tells their writers.
  void Sync(size_t count) {
    for (size_t i = 0; i < count && !pending_.empty(); ++i) {
      Pending first = std::move(pending_.front());
      pending_.pop_front();
      first.write();
      first.durable();
    }
  }
  // Some of what was on its way had reached the platter; nobody was told.
  void Crash(size_t survive) {
    for (size_t i = 0; i < survive && i < pending_.size(); ++i)
      pending_[i].write();
    pending_.clear();
  }

 private:
  std::deque<Pending> pending_;
};

}  // namespace operant::simulation

#endif  // OPERANT_TESTS_SIMULATION_WORLD_H_
