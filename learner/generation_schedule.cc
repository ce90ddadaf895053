#include "learner/generation_schedule.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/digest.h"
#include "common/base/status_macros.h"
#include "learner/trajectory_digest.h"

namespace operant::learner {

GenerationSchedule::GenerationSchedule(const std::string& run_id,
                                       std::vector<Prompt> prompts,
                                       int max_attempts)
    : prompts_(std::move(prompts)), max_attempts_(max_attempts) {
  for (size_t p = 0; p < prompts_.size(); ++p) {
    // A group's id is that of its prompt: no sample index is that large.
    group_ids_.push_back(
        TrajectoryId(run_id, prompts_[p].cursor, ~uint32_t{0}));
    for (int i = 0; i < prompts_[p].samples; ++i) {
      by_id_[trajectory_ids_.emplace_back(
          TrajectoryId(run_id, prompts_[p].cursor, i))] = samples_.size();
      waiting_.push_back(samples_.size());
      samples_.push_back(
          {.prompt = p, .sample_index = static_cast<uint32_t>(i)});
    }
  }
}

std::vector<v1::PromptRequest> GenerationSchedule::Take(
    const std::string& worker, int max_samples, CallId call) {
  std::vector<v1::PromptRequest> requests;
  size_t last_prompt = prompts_.size();
  int taken = 0;
  while (!waiting_.empty()) {
    const size_t index = waiting_.front();
    Sample& sample = samples_[index];
    const bool new_group = sample.prompt != last_prompt;
    if (new_group && taken >= max_samples) break;
    if (new_group) {
      v1::PromptRequest& request = requests.emplace_back();
      request.set_group_id(group_ids_[sample.prompt]);
      request.set_prompt_cursor(prompts_[sample.prompt].cursor);
      const auto& ids = prompts_[sample.prompt].token_ids;
      request.mutable_prompt_token_ids()->Assign(ids.begin(), ids.end());
      last_prompt = sample.prompt;
    }
    requests.back().add_sample_indices(sample.sample_index);
    requests.back().add_trajectory_ids(trajectory_ids_[index]);
    sample.state = State::kAssigned;
    sample.call = call;
    waiting_.pop_front();
    ++taken;
  }
  if (taken == 0) return requests;
  worker_of_[call] = worker;
  owed_[call] = taken;
  outstanding_[worker] += taken;
  return requests;
}

void GenerationSchedule::Store(Sample& sample, v1::Trajectory trajectory,
                               std::string digest) {
  sample.state = State::kDone;
  sample.trajectory = std::move(trajectory);
  sample.digest = std::move(digest);
  ++accepted_;
}

absl::Status GenerationSchedule::Accept(CallId call,
                                        v1::Trajectory trajectory) {
  auto found = by_id_.find(trajectory.id());
  if (found == by_id_.end()) {
    return absl::NotFoundError(
        absl::StrCat("trajectory ", trajectory.id(), " was not asked for"));
  }
  Sample& sample = samples_[found->second];
  std::string digest = TrajectoryDigest(trajectory);
  if (sample.state == State::kDone) {
    if (digest == sample.digest) {
      return absl::AlreadyExistsError(
          absl::StrCat("trajectory ", trajectory.id(), " came twice"));
    }
    return absl::DataLossError(absl::StrCat(
        "trajectory ", trajectory.id(), " came twice and differs: worker '",
        trajectory.worker_id(), "', first from '",
        sample.trajectory.worker_id(), "'; do they run the same build?"));
  }
  if (sample.state != State::kAssigned || sample.call != call) {
    return absl::NotFoundError(absl::StrCat(
        "trajectory ", trajectory.id(), " came late: it was given to another"));
  }
  --outstanding_[worker_of_[call]];
  --owed_[call];
  Store(sample, std::move(trajectory), std::move(digest));
  return absl::OkStatus();
}

absl::Status GenerationSchedule::Hold(const std::string& trajectory_id) {
  auto found = by_id_.find(trajectory_id);
  if (found == by_id_.end() ||
      samples_[found->second].state != State::kWaiting) {
    return absl::NotFoundError(
        absl::StrCat("trajectory ", trajectory_id, " is not waited for"));
  }
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), found->second));
  samples_[found->second].state = State::kHeld;
  return absl::OkStatus();
}

void GenerationSchedule::Release(const std::string& trajectory_id) {
  const size_t index = by_id_.at(trajectory_id);
  if (samples_[index].state != State::kHeld) return;
  samples_[index].state = State::kWaiting;
  waiting_.push_front(index);
}

absl::Status GenerationSchedule::Restore(v1::Trajectory trajectory) {
  auto found = by_id_.find(trajectory.id());
  if (found == by_id_.end() || samples_[found->second].state != State::kHeld)
    RETURN_IF_ERROR(Hold(trajectory.id()));
  Sample& sample = samples_[by_id_.at(trajectory.id())];
  std::string digest = TrajectoryDigest(trajectory);
  Store(sample, std::move(trajectory), std::move(digest));
  return absl::OkStatus();
}

bool GenerationSchedule::KeyFits(const v1::Trajectory& trajectory) const {
  auto found = by_id_.find(trajectory.id());
  if (found == by_id_.end()) return false;
  const Sample& sample = samples_[found->second];
  return trajectory.seed_key().sample_index() == sample.sample_index &&
         trajectory.seed_key().prompt_cursor() ==
             prompts_[sample.prompt].cursor;
}

absl::Status GenerationSchedule::PutBack(size_t index,
                                         const absl::Status& cause) {
  Sample& sample = samples_[index];
  --outstanding_[worker_of_[sample.call]];
  --owed_[sample.call];
  sample.state = State::kWaiting;
  waiting_.push_front(index);
  if (++sample.attempts < max_attempts_) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "trajectory ", trajectory_ids_[index], " failed ", sample.attempts,
      " times, last: ", cause.ToString(), "; see the workers' logs"));
}

absl::Status GenerationSchedule::Return(CallId call,
                                        const absl::Status& cause) {
  absl::Status worst;
  // Backwards, so that the queue's front keeps the order of the groups.
  for (size_t i = samples_.size(); i-- > 0;) {
    if (samples_[i].state == State::kAssigned && samples_[i].call == call)
      worst.Update(PutBack(i, cause));
  }
  return worst;
}

absl::Status GenerationSchedule::ReturnOne(CallId call,
                                           const std::string& trajectory_id,
                                           const absl::Status& cause) {
  auto found = by_id_.find(trajectory_id);
  if (found == by_id_.end()) return absl::OkStatus();
  const Sample& sample = samples_[found->second];
  if (sample.state != State::kAssigned || sample.call != call)
    return absl::OkStatus();
  return PutBack(found->second, cause);
}

int GenerationSchedule::OutstandingAt(const std::string& worker) const {
  auto found = outstanding_.find(worker);
  return found == outstanding_.end() ? 0 : found->second;
}

int GenerationSchedule::OwedBy(CallId call) const {
  auto found = owed_.find(call);
  return found == owed_.end() ? 0 : found->second;
}

const v1::Trajectory& GenerationSchedule::At(
    const std::string& trajectory_id) const {
  return samples_[by_id_.at(trajectory_id)].trajectory;
}

const std::string& GenerationSchedule::DigestOf(
    const std::string& trajectory_id) const {
  return samples_[by_id_.at(trajectory_id)].digest;
}

const std::vector<int32_t>* GenerationSchedule::PromptOf(
    const std::string& trajectory_id) const {
  auto found = by_id_.find(trajectory_id);
  if (found == by_id_.end()) return nullptr;
  return &prompts_[samples_[found->second].prompt].token_ids;
}

std::vector<v1::Trajectory> GenerationSchedule::TakeAll() {
  std::vector<v1::Trajectory> all;
  all.reserve(samples_.size());
  for (Sample& sample : samples_) all.push_back(std::move(sample.trajectory));
  return all;
}

}  // namespace operant::learner
