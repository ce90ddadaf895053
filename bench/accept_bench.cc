// Responses accepted a second with a synced ledger: the learner's own rollout
// client, coordinator and ledger, and 64 workers that answer at once, each
// behind a socket of its own.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "bench/report.h"
#include "common/base/file_io.h"
#include "common/base/monotonic_clock.h"
#include "common/base/rpc.h"
#include "common/base/status_macros.h"
#include "learner/rollout_client.h"
#include "operant/v1/coordinator.grpc.pb.h"
#include "operant/v1/rollout.grpc.pb.h"

namespace operant::bench {
namespace {

constexpr int kWorkers = 64;
constexpr int kSlots = 8;
constexpr int kPrompts = 64, kSamples = 8;  // a step
constexpr int kSteps = 40;
constexpr int kTokens = 48;  // a response

// When each response was sent, and how long until it was durable.
class Latencies {
 public:
  void Sent(const std::string& id) {
    absl::MutexLock lock(&mu_);
    sent_[id] = MonotonicNow();
  }
  void Durable(const std::string& id) {
    absl::MutexLock lock(&mu_);
    milliseconds_.push_back(
        absl::ToDoubleMilliseconds(MonotonicNow() - sent_[id]));
  }
  double Quantile(double q) {
    absl::MutexLock lock(&mu_);
    std::sort(milliseconds_.begin(), milliseconds_.end());
    return milliseconds_[static_cast<size_t>(
        q * static_cast<double>(milliseconds_.size() - 1))];
  }

 private:
  absl::Mutex mu_;
  absl::flat_hash_map<std::string, absl::Time> sent_ ABSL_GUARDED_BY(mu_);
  std::vector<double> milliseconds_ ABSL_GUARDED_BY(mu_);
};

class InstantWorker final : public v1::RolloutService::Service {
 public:
  InstantWorker(Latencies* latencies, std::string digest)
      : latencies_(latencies),
        digest_(std::move(digest)),
        server_(RpcServer::Create({.services = {this}}).value()) {}

  grpc::Status Generate(
      grpc::ServerContext*, const v1::GenerateRequest* request,
      grpc::ServerWriter<v1::GenerateResponse>* writer) override {
    for (const v1::PromptRequest& prompt : request->prompts()) {
      for (int i = 0; i < prompt.trajectory_ids_size(); ++i) {
        latencies_->Sent(prompt.trajectory_ids(i));
        writer->Write(Answer(prompt, i));
      }
    }
    return grpc::Status::OK;
  }
  std::string address() const { return server_->address(); }

 private:
  v1::GenerateResponse Answer(const v1::PromptRequest& prompt, int i) const {
    v1::GenerateResponse response;
    v1::Trajectory* t = response.mutable_trajectory();
    t->set_id(prompt.trajectory_ids(i));
    t->mutable_seed_key()->set_prompt_cursor(prompt.prompt_cursor());
    t->mutable_seed_key()->set_sample_index(prompt.sample_indices(i));
    *t->mutable_prompt_token_ids() = prompt.prompt_token_ids();
    for (int token = 0; token < kTokens; ++token) {
      t->add_response_token_ids(1 + token);
      t->add_response_logprobs(-1);
    }
    t->set_finish(v1::FINISH_REASON_LENGTH);
    t->add_versions()->set_policy_version(1);
    t->mutable_versions(0)->set_tokens(kTokens);
    t->set_weights_digest(digest_);
    t->set_worker_id(address());
    return response;
  }

  Latencies* const latencies_;
  const std::string digest_;
  std::unique_ptr<RpcServer> server_;
};

// The ledger, with a clock at its acknowledgement.
class TimedLedger final : public learner::Ledger {
 public:
  TimedLedger(std::unique_ptr<Ledger> ledger, Latencies* latencies)
      : ledger_(std::move(ledger)), latencies_(latencies) {}
  uint64_t epoch() const override { return ledger_->epoch(); }
  void Append(v1::LedgerRecord record, Done done) override {
    if (!record.has_accepted())
      return ledger_->Append(std::move(record), std::move(done));
    std::string id = record.accepted().trajectory().id();
    ledger_->Append(std::move(record),
                    [this, id = std::move(id),
                     done = std::move(done)](const absl::Status& status) {
                      latencies_->Durable(id);
                      done(status);
                    });
  }
  absl::Status Flush() override { return ledger_->Flush(); }
  absl::StatusOr<std::vector<v1::Trajectory>> Accepted(uint64_t step) override {
    return ledger_->Accepted(step);
  }
  absl::StatusOr<std::map<uint64_t, std::string>> Published(
      uint64_t count) override {
    return ledger_->Published(count);
  }
  uint64_t replaced() const override { return ledger_->replaced(); }

 private:
  const std::unique_ptr<Ledger> ledger_;
  Latencies* const latencies_;
};

std::shared_ptr<const SealedWeights> SomeWeights() {
  auto image = std::make_shared<WeightImage>(
      std::vector<WeightTensor>{{.name = "w", .shape = {4}}});
  std::fill(image->bytes().begin(), image->bytes().end(), std::byte{0});
  return SealWeights(image, /*policy_version=*/1, "model").value();
}

absl::Status Join(const InstantWorker& worker, const std::string& coordinator,
                  learner::Coordinator& members, const std::string& digest) {
  auto stub = v1::CoordinatorService::NewStub(MakeChannel(coordinator));
  v1::RegisterRequest request;
  request.set_protocol_version(1);
  request.set_worker_id(worker.address());
  request.set_address(worker.address());
  request.set_slots(kSlots);
  v1::RegisterResponse response;
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(10));
  if (!stub->Register(&context, request, &response).ok())
    return absl::UnavailableError("a worker could not register");
  members.RecordServing({.id = worker.address(), .epoch = response.epoch()}, 1,
                        digest);
  return absl::OkStatus();
}

learner::GenerationPlan PlanOf(uint64_t step, learner::Ledger* ledger) {
  learner::GenerationPlan plan;
  plan.run_id = "bench";
  plan.rules.min_policy_version = 1;
  plan.rules.vocab_size = 1000;
  plan.ledger = ledger;
  plan.step = step;
  for (int i = 0; i < kPrompts; ++i) {
    plan.prompts.push_back({.cursor = step * kPrompts + i,
                            .token_ids = std::vector<int32_t>(16, 1),
                            .samples = kSamples});
  }
  return plan;
}

absl::Status Run(const std::string& folder) {
  Latencies latencies;
  auto metrics = MetricRegistry::Create();
  auto coordinator = learner::Coordinator::Create(
      {.limits = {.heartbeat_timeout = absl::Minutes(10)}}, metrics.get());
  ASSIGN_OR_RETURN(auto server,
                   RpcServer::Create({.services = coordinator->services()}));
  const auto weights = SomeWeights();
  coordinator->SetPublished(weights);
  std::vector<std::unique_ptr<InstantWorker>> workers;
  for (int i = 0; i < kWorkers; ++i) {
    workers.push_back(
        std::make_unique<InstantWorker>(&latencies, weights->manifest_sha256));
    RETURN_IF_ERROR(Join(*workers.back(), server->address(), *coordinator,
                         weights->manifest_sha256));
  }
  ASSIGN_OR_RETURN(auto file, learner::Ledger::Open(
                                  {.path = JoinPath(folder, "ledger.sqlite"),
                                   .run_id = "bench"}));
  TimedLedger ledger(std::move(file), &latencies);
  auto client =
      learner::RolloutClient::Create({}, coordinator.get(), metrics.get());
  std::vector<double> rates;
  for (uint64_t step = 0; step < kSteps; ++step) {
    const absl::Time start = MonotonicNow();
    RETURN_IF_ERROR(client->Generate(PlanOf(step, &ledger)).status());
    rates.push_back(kPrompts * kSamples /
                    absl::ToDoubleSeconds(MonotonicNow() - start));
  }
  Row p99{.name = "accept-latency-p99",
          .value = latencies.Quantile(0.99),
          .unit = "ms",
          .note = "sent by the worker to durable"};
  p99.low = latencies.Quantile(0.5);
  p99.high = latencies.Quantile(1);
  Row rate = MedianRow("accept-rate", "1/s", std::move(rates));
  rate.note = absl::StrCat(kWorkers, " workers, ", kTokens, " tokens each");
  return Report("accept", {rate, p99});
}

}  // namespace
}  // namespace operant::bench

int main() {
  const std::string folder = absl::StrCat("bench/out/accept_", getpid());
  absl::Status status = operant::MakeDirectories(folder);
  if (status.ok()) status = operant::bench::Run(folder);
  operant::RemoveTree(folder).IgnoreError();
  if (status.ok()) return 0;
  std::fprintf(stderr, "accept_bench: %s\n", status.ToString().c_str());
  return 1;
}
