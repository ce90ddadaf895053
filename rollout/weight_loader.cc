#include "rollout/weight_loader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/digest.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace operant::rollout {
namespace {

PolicyVersion Identity(const VerifiedWeights& weights) {
  return {weights.manifest.policy_version(), weights.manifest_sha256};
}

}  // namespace

WeightLoader::WeightLoader(const Options& options)
    : options_(options),
      metrics_(*options.metrics),
      jobs_(/*capacity=*/1),  // the store admits one version at a time
      thread_([this] { Run(); }) {}

WeightLoader::~WeightLoader() {
  jobs_.Close();
  thread_.join();
}

std::unique_ptr<WeightTransfer> WeightLoader::Begin() {
  return std::make_unique<WeightTransfer>(this);
}

void WeightLoader::Publish(const PolicyVersion& published) {
  absl::MutexLock lock(&mu_);
  store_.Publish(published);
}

void WeightLoader::Rejoin(const std::optional<PolicyVersion>& published) {
  absl::MutexLock lock(&mu_);
  store_.Rejoin(published);
}

WeightLoader::Status WeightLoader::status() const {
  absl::MutexLock lock(&mu_);
  return {store_.active(), store_.incoming(), store_.behind()};
}

absl::Status WeightLoader::Stage(const PolicyVersion& incoming) {
  absl::MutexLock lock(&mu_);
  return store_.Stage(incoming);
}

void WeightLoader::Abandon(std::unique_ptr<WeightImage> image) {
  Recycle(std::move(image));
  absl::MutexLock lock(&mu_);
  store_.Abandon();
}

void WeightLoader::Recycle(std::unique_ptr<WeightImage> image) {
  if (image == nullptr) return;
  absl::MutexLock lock(&mu_);
  image.swap(spare_);
}

std::unique_ptr<WeightImage> WeightLoader::TakeSpare() {
  absl::MutexLock lock(&mu_);
  return std::move(spare_);
}

absl::Status WeightLoader::Enqueue(Job job) {
  {
    absl::MutexLock lock(&mu_);
    RETURN_IF_ERROR(store_.Verify(Identity(job.weights)));
  }
  if (jobs_.TryPush(job)) return absl::OkStatus();
  return absl::UnavailableError("load weights: the worker is stopping");
}

void WeightLoader::Run() {
  while (std::optional<Job> job = jobs_.Pop(absl::InfiniteFuture())) {
    absl::StatusOr<Loaded> loaded = Load(*job);
    if (loaded.ok()) {
      Recycle(std::move(job->weights.image));
    } else {
      metrics_.Failed(loaded.status());
      Abandon(std::move(job->weights.image));
    }
    job->done(std::move(loaded));
  }
}

absl::StatusOr<WeightLoader::Loaded> WeightLoader::Load(const Job& job) {
  const absl::Time begun = absl::Now();
  const PolicyVersion policy = Identity(job.weights);
  ASSIGN_OR_RETURN(auto packed, options_.engine->Pack(*job.weights.image));
  const absl::Time packed_at = absl::Now();
  metrics_.Packed(packed_at - begun);
  ASSIGN_OR_RETURN(
      const int64_t pause_ns,
      options_.engine->Swap({policy.version, policy.sha256, std::move(packed)},
                            job.deadline));
  const absl::Time now = absl::Now();
  metrics_.Swapped(now - packed_at);
  {
    absl::MutexLock lock(&mu_);
    RETURN_IF_ERROR(store_.Activate(policy));
  }
  metrics_.Serving(policy.version, now);
  if (options_.health != nullptr) {
    options_.health->SetReady(true,
                              absl::StrCat("serving version ", policy.version));
  }
  LogInfo("weights active", {{"version", policy.version},
                             {"sha256", Hex(policy.sha256).substr(0, 12)},
                             {"pause_us", pause_ns / 1000}});
  return Loaded{policy, pause_ns};
}

WeightTransfer::WeightTransfer(WeightLoader* loader)
    : loader_(loader), begun_(absl::Now()), assembler_(AssemblerOptions()) {}

WeightTransfer::~WeightTransfer() {
  if (staged_) loader_->Abandon(assembler_.TakeImage());
}

WeightAssembler::Options WeightTransfer::AssemblerOptions() {
  WeightAssembler::Options options;
  options.model = loader_->options_.model;
  options.accept = [this](const v1::WeightManifest& manifest,
                          const std::string& sha256) {
    RETURN_IF_ERROR(loader_->Stage({manifest.policy_version(), sha256}));
    staged_ = true;
    return absl::OkStatus();
  };
  options.reuse = [this] { return loader_->TakeSpare(); };
  return options;
}

absl::Status WeightTransfer::Fail(absl::Status status) {
  loader_->metrics_.Failed(status);
  return status;
}

absl::Status WeightTransfer::Add(const grpc::ByteBuffer& frame) {
  absl::Status status = assembler_.Add(frame);
  return status.ok() ? status : Fail(std::move(status));
}

void WeightTransfer::Load(absl::Time deadline, WeightLoader::Done done) {
  absl::StatusOr<VerifiedWeights> weights = assembler_.Finish();
  if (!weights.ok()) return done(Fail(weights.status()));
  loader_->metrics_.Received(absl::Now() - begun_, assembler_.received_bytes());
  const absl::Status status =
      loader_->Enqueue({*std::move(weights), deadline, done});
  if (!status.ok()) return done(Fail(status));
  staged_ = false;  // the loader's thread answers for it now
}

}  // namespace operant::rollout
