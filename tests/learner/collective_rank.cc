// One rank of a test of collectives, as a process:
//
//   collective_rank FOLDER SCENARIO RANK SIZE
//
// writes what it saw to FOLDER/RANK.json.
#include <signal.h>
#include <torch/torch.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/monotonic_clock.h"
#include "learner/collective.h"
#include "nlohmann/json.hpp"
#include "tests/testing/folder_rendezvous.h"
#include "tests/testing/socket_bytes.h"

namespace operant::learner {
namespace {

using nlohmann::json;
using testing_support::TcpBytesAcknowledged;

// Not a multiple of any number of ranks here.
constexpr int64_t kOdd = 100'003;
constexpr absl::Duration kTimeout = absl::Seconds(2);

// A rank's contribution: of both signs and of sizes whose sums round.
at::Tensor Contribution(int rank, int64_t elements) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(7 + rank);
  return at::randn({elements}, generator, at::kFloat) * (1 + rank);
}

// The exact sum over the ranks, but for the rounding of fp64.
at::Tensor TrueSum(int size, int64_t elements) {
  at::Tensor sum = at::zeros({elements}, at::kDouble);
  for (int rank = 0; rank < size; ++rank)
    sum += Contribution(rank, elements).to(at::kDouble);
  return sum;
}

std::string DigestOf(const at::Tensor& data) {
  return Hex(Xxh3({static_cast<const char*>(data.data_ptr()),
                   static_cast<size_t>(data.nbytes())}));
}

double LargestError(const at::Tensor& sum, const at::Tensor& truth) {
  return (sum.to(at::kDouble) - truth).abs().max().item<double>();
}

class RankProgram {
 public:
  RankProgram(std::string folder, int rank, int size)
      : folder_(std::move(folder)),
        rank_(rank),
        size_(size),
        rendezvous_(folder_) {}

  int Run(const std::string& scenario) {
    const absl::Time start = MonotonicNow();
    auto made = CreateCollective("auto", /*on_gpu=*/false, Options(scenario));
    if (made.ok()) {
      collective_ = *std::move(made);
      Scenarios().at(scenario)();
    } else {
      said_["status"] = made.status().ToString();
    }
    said_["seconds"] = absl::ToDoubleSeconds(MonotonicNow() - start);
    return Write();
  }

 private:
  CollectiveOptions Options(const std::string& scenario) {
    const bool is_late = scenario == "late";
    return {.rank = rank_,
            .size = size_,
            .timeout = kTimeout,
            .rendezvous = &rendezvous_,
            .rendezvous_timeout = is_late ? kTimeout : absl::Seconds(60),
            .group = "group",
            .observe = [this](const ExchangeSpan& span) {
              spans_.push_back(span);
            }};
  }

  std::map<std::string, std::function<void()>> Scenarios() {
    return {{"sums", [this] { Sums(); }},
            {"parts", [this] { Parts(); }},
            {"broadcast", [this] { Broadcasts(); }},
            {"bytes", [this] { Bytes(); }},
            {"async", [this] { Async(); }},
            {"killed", [this] { DieBy(SIGKILL); }},
            {"stopped", [this] { DieBy(SIGSTOP); }},
            {"abort", [this] { AbortWhileWaiting(); }},
            {"misuse", [this] { Misuse(); }},
            {"late", [] {}}};
  }

  void Sums() {
    at::Tensor sum = Contribution(rank_, kOdd);
    Note(collective_->AllReduce(sum, Reduction::kSum, "sum")->Wait());
    said_["error"] = LargestError(sum, TrueSum(size_, kOdd));
    said_["digest"] = DigestOf(sum);

    at::Tensor tiny = at::full({1}, rank_ + 1, at::kLong);
    Note(collective_->AllReduce(tiny, Reduction::kSum, "tiny")->Wait());
    said_["tiny"] = tiny.item<int64_t>();

    at::Tensor largest = at::full({5}, rank_ * 1.0, at::kDouble);
    Note(collective_->AllReduce(largest, Reduction::kMax, "max")->Wait());
    said_["largest"] = largest.max().item<double>();

    at::Tensor not_finite = at::zeros({3}, at::kFloat);
    if (rank_ == 1) not_finite[2] = std::nan("");
    Note(collective_->AllReduce(not_finite, Reduction::kMax, "nan")->Wait());
    said_["nans"] = at::isnan(not_finite).sum().item<int64_t>();
    Note(collective_->Barrier("end"));
  }

  void Parts() {
    const int64_t part = 1'000;
    at::Tensor all = Contribution(rank_, part * size_);
    Note(collective_->ReduceScatter(all, Reduction::kSum, "parts")->Wait());
    const at::Tensor own = all.narrow(0, rank_ * part, part);
    said_["error"] = LargestError(
        own, TrueSum(size_, part * size_).narrow(0, rank_ * part, part));

    at::Tensor gathered = at::full({part * size_}, -1, at::kByte);
    gathered.narrow(0, rank_ * part, part).fill_(rank_ + 1);
    Note(collective_->AllGather(gathered, "bytes")->Wait());
    std::vector<int64_t> counts;
    for (int r = 0; r < size_; ++r)
      counts.push_back((gathered == r + 1).sum().item<int64_t>());
    said_["gathered"] = counts;

    // A reduce-scatter and an all-gather are an all-reduce, to the bit.
    Note(collective_->AllGather(all, "sum")->Wait());
    at::Tensor whole = Contribution(rank_, part * size_);
    Note(collective_->AllReduce(whole, Reduction::kSum, "whole")->Wait());
    said_["same"] = at::equal(all, whole);
  }

  void Broadcasts() {
    std::vector<std::string> digests;
    for (int root = 0; root < size_; ++root) {
      // Several pieces, the last a part of one.
      at::Tensor data = Contribution(rank_, 600'001);
      Note(collective_->Broadcast(data, root, "weights")->Wait());
      digests.push_back(DigestOf(data));
      if (rank_ == root) said_["own"] = digests.back();
    }
    said_["digests"] = digests;
  }

  // Before and after by the kernel's count.
  void Bytes() {
    const int64_t elements = 3 << 20;
    at::Tensor data = at::ones({elements}, at::kFloat);
    const auto measured = [&](const std::function<void()>& exchange) {
      Note(collective_->Barrier("before"));
      const int64_t before = TcpBytesAcknowledged();
      exchange();
      Note(collective_->Barrier("after"));
      absl::SleepFor(absl::Milliseconds(200));  // acknowledgements come late
      return TcpBytesAcknowledged() - before;
    };
    said_["tensor"] = data.nbytes();
    said_["all_reduce"] = measured([&] {
      Note(collective_->AllReduce(data, Reduction::kSum, "data")->Wait());
    });
    said_["reduce_scatter"] = measured([&] {
      Note(collective_->ReduceScatter(data, Reduction::kSum, "data")->Wait());
    });
    said_["all_gather"] =
        measured([&] { Note(collective_->AllGather(data, "data")->Wait()); });
    const WireBytes sent = collective_->sent();
    said_["counted"] = {sent.all_reduce, sent.reduce_scatter, sent.all_gather};
    Note(collective_->Barrier("end"));
  }

  // Ten are queued before the first is waited for.
  void Async() {
    std::vector<at::Tensor> data;
    std::vector<std::unique_ptr<Exchange>> exchanges;
    for (int i = 0; i < 10; ++i) {
      data.push_back(at::full({1'000}, i + rank_, at::kFloat));
      exchanges.push_back(
          collective_->AllReduce(data.back(), Reduction::kSum, "queued"));
    }
    std::vector<double> sums;
    for (int i = 9; i >= 0; --i) {
      Note(exchanges[i]->Wait());
      sums.push_back(data[i][999].item<double>());
    }
    said_["sums"] = sums;
    said_["exchanges"] = collective_->exchanges();
    Note(collective_->Barrier("end"));
    bool ordered = spans_.size() == 11;
    for (size_t i = 1; i < spans_.size(); ++i)
      ordered = ordered && spans_[i].begin >= spans_[i - 1].end;
    said_["ordered"] = ordered;
  }

  // The last rank ends or stops; the others are in an exchange by then.
  void DieBy(int signal) {
    at::Tensor data = at::ones({1'000}, at::kFloat);
    Note(collective_->AllReduce(data, Reduction::kSum, "first")->Wait());
    if (rank_ == size_ - 1) {
      absl::SleepFor(absl::Milliseconds(300));
      Noticed();
      raise(signal);
    }
    const absl::Time start = MonotonicNow();
    Fails(collective_->AllReduce(data, Reduction::kSum, "second")->Wait());
    said_["waited"] = absl::ToDoubleSeconds(MonotonicNow() - start);
    Fails(collective_->AllReduce(data, Reduction::kSum, "third")->Wait());
    Fails(collective_->status());
  }

  // Nobody else makes the call that rank 0 waits for.
  void AbortWhileWaiting() {
    at::Tensor data = at::ones({1'000}, at::kFloat);
    Note(collective_->Barrier("begin"));
    std::thread other([this] {
      absl::SleepFor(absl::Milliseconds(300));
      collective_->Abort(absl::AbortedError("rank 9 is gone"));
    });
    const absl::Time start = MonotonicNow();
    if (rank_ == 0) {
      Fails(collective_->AllReduce(data, Reduction::kSum, "alone")->Wait());
      said_["waited"] = absl::ToDoubleSeconds(MonotonicNow() - start);
    }
    other.join();
    Fails(collective_->status());
  }

  void Misuse() {
    at::Tensor odd = at::ones({size_ * 10 + 1}, at::kFloat);
    Fails(collective_->ReduceScatter(odd, Reduction::kSum, "odd")->Wait());
  }

  void Note(const absl::Status& status) {
    if (!status.ok()) said_["status"] = status.ToString();
  }
  void Fails(const absl::Status& status) {
    said_["failures"].push_back(status.ToString());
  }
  // For those that cannot say it later.
  void Noticed() { Write(); }

  int Write() {
    return WriteFileAtomically(JoinPath(folder_, absl::StrCat(rank_, ".json")),
                               said_.dump())
                   .ok()
               ? 0
               : 1;
  }

  const std::string folder_;
  const int rank_;
  const int size_;
  testing_support::FolderRendezvous rendezvous_;
  std::vector<ExchangeSpan> spans_;
  std::unique_ptr<Collective> collective_;
  json said_ = {{"status", "OK"}};
};

}  // namespace
}  // namespace operant::learner

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: collective_rank FOLDER SCENARIO RANK SIZE\n");
    return 64;
  }
  return operant::learner::RankProgram(argv[1], std::atoi(argv[3]),
                                       std::atoi(argv[4]))
      .Run(argv[2]);
}
