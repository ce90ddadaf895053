// One rank: what it would exchange with others is there already.
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/status_macros.h"
#include "learner/collective.h"

namespace operant::learner {
namespace {

class Done final : public Exchange {
 public:
  explicit Done(absl::Status status) : status_(std::move(status)) {}
  absl::Status Wait() override { return status_; }

 private:
  const absl::Status status_;
};

class NoCollective final : public Collective {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  at::Device device() const override { return at::kCPU; }

  std::unique_ptr<Exchange> AllReduce(at::Tensor, Reduction,
                                      const std::string&) override {
    return Count();
  }
  std::unique_ptr<Exchange> ReduceScatter(at::Tensor, Reduction,
                                          const std::string&) override {
    return Count();
  }
  std::unique_ptr<Exchange> AllGather(at::Tensor, const std::string&) override {
    return Count();
  }
  std::unique_ptr<Exchange> Broadcast(at::Tensor, int,
                                      const std::string&) override {
    return Count();
  }
  absl::Status Barrier(const std::string&) override { return Count()->Wait(); }

  void Abort(absl::Status cause) override {
    absl::MutexLock lock(&mu_);
    status_.Update(std::move(cause));
  }
  absl::Status status() const override {
    absl::MutexLock lock(&mu_);
    return status_;
  }
  WireBytes sent() const override { return {}; }
  int64_t exchanges() const override { return exchanges_; }

 private:
  std::unique_ptr<Exchange> Count() {
    ++exchanges_;
    return std::make_unique<Done>(status());
  }

  int64_t exchanges_ = 0;  // only touched by the caller's thread
  mutable absl::Mutex mu_;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::unique_ptr<Collective> CreateNoCollective() {
  return std::make_unique<NoCollective>();
}

std::string CollectiveName(const std::string& name, bool on_gpu, int size) {
  if (name != "auto") return name;
  if (size == 1) return "none";
  return on_gpu ? "nccl" : "gloo";
}

absl::Status CheckCollective(const std::string& name, bool on_gpu, int size) {
  const std::string chosen = CollectiveName(name, on_gpu, size);
  const auto refuse = [&](const char* expected) {
    return absl::FailedPreconditionError(
        absl::StrCat("ranks cannot meet: learner.collective=", name,
                     ", expected ", expected, "; leave the key out"));
  };
  if (chosen == "none" && size > 1)
    return refuse("nccl or gloo for several ranks");
  if (chosen == "gloo" && on_gpu) return refuse("nccl for learner.device=cuda");
  if (chosen == "nccl" && !on_gpu)
    return refuse("gloo, since the learner computes on the CPU");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Collective>> CreateCollective(
    const std::string& name, bool on_gpu, const CollectiveOptions& options) {
  RETURN_IF_ERROR(CheckCollective(name, on_gpu, options.size));
  const std::string chosen = CollectiveName(name, on_gpu, options.size);
  if (chosen == "none") return CreateNoCollective();
  if (chosen == "gloo") return CreateGlooCollective(options);
  return CreateNcclCollective(options);
}

}  // namespace operant::learner
