#include "rollout/generate_stream.h"

#include <utility>

#include "common/base/grpc_status.h"

namespace operant::rollout {

GenerateStream* GenerateStream::Start(GenerationEngine* engine,
                                      std::vector<SampleRequest> samples) {
  const auto stream = std::make_shared<GenerateStream>(engine);
  stream->self_ = stream;
  stream->Submit(std::move(samples));
  return stream.get();
}

GenerateStream* GenerateStream::Refuse(const absl::Status& error) {
  const auto stream = std::make_shared<GenerateStream>(nullptr);
  stream->self_ = stream;
  stream->Abort(error);
  return stream.get();
}

void GenerateStream::Submit(std::vector<SampleRequest> samples) {
  for (SampleRequest& sample : samples) {
    trajectory_ids_.push_back(sample.trajectory_id);
    sample.on_finished = [self = shared_from_this()](v1::Trajectory finished) {
      self->OnTrajectory(std::move(finished));
    };
  }
  {
    absl::MutexLock lock(&mu_);
    unwritten_ = samples.size();
  }
  const absl::Status submitted = engine_->Submit(std::move(samples));
  if (!submitted.ok()) {
    trajectory_ids_.clear();  // none of them is the engine's
    Abort(submitted);
  }
}

void GenerateStream::OnTrajectory(v1::Trajectory trajectory) {
  {
    absl::MutexLock lock(&mu_);
    if (!status_.ok()) return;
    ready_.push_back(std::move(trajectory));
  }
  Advance();
}

void GenerateStream::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mu_);
    writing_ = false;
    --unwritten_;
  }
  if (!ok) return Abort(absl::CancelledError("generate: the client is gone"));
  Advance();
}

void GenerateStream::OnCancel() {
  Abort(absl::CancelledError("generate: cancelled or past its deadline"));
}

void GenerateStream::Abort(const absl::Status& error) {
  {
    absl::MutexLock lock(&mu_);
    if (status_.ok()) status_ = error;
    ready_.clear();
  }
  if (engine_ != nullptr && !trajectory_ids_.empty()) {
    engine_->Cancel(trajectory_ids_);
  }
  Advance();
}

GenerateStream::Action GenerateStream::NextAction() {
  absl::MutexLock lock(&mu_);
  if (writing_ || finished_) return Action::kNone;
  if (status_.ok() && !ready_.empty()) {
    *response_.mutable_trajectory() = std::move(ready_.front());
    ready_.pop_front();
    writing_ = true;
    return Action::kWrite;
  }
  if (status_.ok() && unwritten_ > 0) return Action::kNone;
  finished_ = true;
  return Action::kFinish;
}

void GenerateStream::Advance() {
  switch (NextAction()) {
    case Action::kNone:
      return;
    case Action::kWrite:
      return StartWrite(&response_);
    case Action::kFinish:
      return Finish(ToGrpcStatus(status()));
  }
}

absl::Status GenerateStream::status() {
  absl::MutexLock lock(&mu_);
  return status_;
}

void GenerateStream::OnDone() { self_.reset(); }

}  // namespace operant::rollout
