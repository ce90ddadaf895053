#include "rollout/decode_batch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/philox.h"

namespace operant::rollout {
namespace {

const SampleGroup& GroupOf(const LiveSample& sample) {
  return *sample.request.group;
}

int64_t PromptTokens(const SampleGroup& group) {
  return static_cast<int64_t>(group.prompt_token_ids.size());
}

}  // namespace

absl::Status CheckSample(const SampleRequest& sample, int64_t vocab_size,
                         int64_t max_positions) {
  if (sample.group == nullptr || sample.on_finished == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("submit: trajectory=", sample.trajectory_id,
                     ", expected a group and a callback"));
  }
  const std::vector<int32_t>& prompt = sample.group->prompt_token_ids;
  const auto fault = [&](const auto&... parts) {
    return absl::InvalidArgumentError(
        absl::StrCat("submit: group=", sample.group->group_id, ": ", parts...));
  };
  if (prompt.empty()) return fault("prompt tokens=0, expected at least 1");
  if (static_cast<int64_t>(prompt.size()) >= max_positions) {
    return fault("prompt tokens=", prompt.size(), ", expected fewer than ",
                 max_positions, " to leave room for a response");
  }
  for (const int32_t id : prompt) {
    if (id >= 0 && id < vocab_size) continue;
    return fault("token_id=", id, ", expected 0..", vocab_size - 1);
  }
  return ValidateSampling(sample.group->sampling, vocab_size);
}

v1::Trajectory NewTrajectory(const SampleRequest& request,
                             const std::string& worker_id) {
  const SampleGroup& group = *request.group;
  v1::Trajectory trajectory;
  trajectory.set_id(request.trajectory_id);
  trajectory.set_group_id(group.group_id);
  trajectory.mutable_seed_key()->set_run_seed(group.run_seed);
  trajectory.mutable_seed_key()->set_prompt_cursor(group.prompt_cursor);
  trajectory.mutable_seed_key()->set_sample_index(request.sample_index);
  trajectory.mutable_prompt_token_ids()->Add(group.prompt_token_ids.begin(),
                                             group.prompt_token_ids.end());
  trajectory.set_worker_id(worker_id);
  return trajectory;
}

DecodeBatch::DecodeBatch(const Options& options)
    : model_(*options.model),
      max_positions_(options.max_positions),
      worker_id_(options.worker_id),
      vocab_size_(static_cast<size_t>(model_.config().vocab_size)),
      slots_(static_cast<size_t>(options.slots)),
      logits_(slots_.size() * vocab_size_) {}

void DecodeBatch::Use(const ActivePolicy& policy) {
  model_.Use(policy.weights);
  policy_ = policy;
  for (Slot& slot : slots_) slot.prompt.reset();
}

int64_t DecodeBatch::Admit(std::shared_ptr<LiveSample> sample) {
  const SampleGroup& group = GroupOf(*sample);
  const size_t index = FindSlot(&group);
  Slot& slot = slots_[index];
  slot.trajectory = NewTrajectory(sample->request, worker_id_);
  slot.started = false;
  slot.sample = std::move(sample);
  ++running_;
  if (slot.prompt != nullptr && slot.prompt->group.get() == &group) return 0;
  size_t holder = index;
  slot.prompt = FindPrompt(&group, holder);
  if (slot.prompt == nullptr) {
    slot.prompt =
        std::make_shared<Prompt>(Prompt{slot.sample->request.group, index, {}});
    return PromptTokens(group);
  }
  if (!slot.prompt->logits.empty()) {
    model_.CopySlot(static_cast<int>(holder), static_cast<int>(index),
                    static_cast<int>(PromptTokens(group)));
  }
  return 0;
}

// A free slot that begins with the group's prompt; else the one that is least
// likely to be of use to another sample: without a prompt first.
size_t DecodeBatch::FindSlot(const SampleGroup* group) const {
  size_t best = slots_.size();
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.sample != nullptr) continue;
    if (slot.prompt != nullptr && slot.prompt->group.get() == group) return i;
    if (best == slots_.size() || slot.prompt == nullptr) best = i;
  }
  return best;
}

std::shared_ptr<DecodeBatch::Prompt> DecodeBatch::FindPrompt(
    const SampleGroup* group, size_t& holder) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].prompt == nullptr) continue;
    if (slots_[i].prompt->group.get() != group) continue;
    holder = i;
    return slots_[i].prompt;
  }
  return nullptr;
}

void DecodeBatch::Step(std::vector<FinishedSample>& finished) {
  started_.clear();
  CollectEntries();
  const absl::Status status = RunModel();
  if (!status.ok()) {
    for (Slot& slot : slots_) {
      slot.prompt.reset();
      if (slot.sample == nullptr) continue;
      Finish(slot, v1::FINISH_REASON_ABORTED, status, finished);
    }
    return;
  }
  KeepPrompts();
  for (Slot& slot : slots_) {
    if (slot.sample != nullptr) SampleSlot(slot, finished);
  }
}

// One entry for each prompt to run and for each started sequence.
void DecodeBatch::CollectEntries() {
  entries_.clear();
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.sample == nullptr) continue;
    SlotTokens entry{.slot = static_cast<int>(i)};
    if (slot.started) {
      entry.position = slot.trajectory.prompt_token_ids_size() +
                       slot.trajectory.response_token_ids_size() - 1;
      entry.tokens = {&slot.last_token, 1};
    } else if (slot.prompt->logits.empty() && slot.prompt->first_slot == i) {
      entry.tokens = GroupOf(*slot.sample).prompt_token_ids;
    } else {
      continue;
    }
    slot.logits_row = entries_.size();
    entries_.push_back(entry);
  }
}

absl::Status DecodeBatch::RunModel() {
  if (entries_.empty()) return absl::OkStatus();
  return model_.Forward(
      entries_, std::span(logits_).first(entries_.size() * vocab_size_));
}

// Keeps the logits of prompts that have just run and copies their caches to the
// members of the group that were admitted with them.
void DecodeBatch::KeepPrompts() {
  std::vector<bool> fresh(slots_.size());
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.sample == nullptr || slot.started) continue;
    if (!slot.prompt->logits.empty() || slot.prompt->first_slot != i) continue;
    const float* row = logits_.data() + slot.logits_row * vocab_size_;
    slot.prompt->logits.assign(row, row + vocab_size_);
    fresh[i] = true;
  }
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.sample == nullptr || slot.started) continue;
    const size_t first = slot.prompt->first_slot;
    if (first == i || !fresh[first]) continue;
    if (slots_[first].prompt != slot.prompt) continue;
    model_.CopySlot(static_cast<int>(first), static_cast<int>(i),
                    static_cast<int>(PromptTokens(*slot.prompt->group)));
  }
}

std::span<const float> DecodeBatch::LogitsOf(const Slot& slot) const {
  if (!slot.started) return slot.prompt->logits;
  return std::span(logits_).subspan(slot.logits_row * vocab_size_, vocab_size_);
}

void DecodeBatch::SampleSlot(Slot& slot,
                             std::vector<FinishedSample>& finished) {
  const SampleGroup& group = GroupOf(*slot.sample);
  const auto position =
      static_cast<uint32_t>(slot.trajectory.response_token_ids_size());
  const SampleKey key = {group.run_seed, group.prompt_cursor,
                         slot.sample->request.sample_index};
  const absl::StatusOr<SampledToken> token = sampler_.Sample(
      LogitsOf(slot), group.sampling, SampleUniform(key, position));
  if (!token.ok()) {
    const absl::Status error(token.status().code(),
                             absl::StrCat("trajectory=", slot.trajectory.id(),
                                          ", version=", policy_.version, ": ",
                                          token.status().message()));
    return Finish(slot, v1::FINISH_REASON_ABORTED, error, finished);
  }
  Append(*token, slot);
  if (position == 0) started_.push_back(slot.sample);
  const v1::FinishReason reason = FinishOf(slot);
  if (reason != v1::FINISH_REASON_UNSPECIFIED) {
    Finish(slot, reason, absl::OkStatus(), finished);
  }
}

void DecodeBatch::Append(const SampledToken& token, Slot& slot) {
  v1::Trajectory& t = slot.trajectory;
  slot.started = true;
  slot.last_token = token.id;
  t.add_response_token_ids(token.id);
  t.add_response_logprobs(token.logprob);
  const int spans = t.versions_size();
  if (spans == 0 || t.versions(spans - 1).policy_version() != policy_.version) {
    t.add_versions()->set_policy_version(policy_.version);
  }
  v1::VersionSpan& span = *t.mutable_versions(t.versions_size() - 1);
  span.set_tokens(span.tokens() + 1);
  if (span.tokens() == 1) t.set_weights_digest(policy_.weights_digest);
}

// UNSPECIFIED: it goes on.
v1::FinishReason DecodeBatch::FinishOf(const Slot& slot) const {
  const SampleGroup& group = GroupOf(*slot.sample);
  const std::vector<int32_t>& stops = group.sampling.stop_token_ids;
  if (std::find(stops.begin(), stops.end(), slot.last_token) != stops.end()) {
    return v1::FINISH_REASON_STOP;
  }
  const int64_t limit = std::min<int64_t>(group.sampling.max_response_tokens,
                                          max_positions_ - PromptTokens(group));
  return slot.trajectory.response_token_ids_size() >= limit
             ? v1::FINISH_REASON_LENGTH
             : v1::FINISH_REASON_UNSPECIFIED;
}

void DecodeBatch::Finish(Slot& slot, v1::FinishReason reason,
                         absl::Status error,
                         std::vector<FinishedSample>& finished) {
  slot.trajectory.set_finish(reason);
  finished.push_back(
      {std::move(slot.sample), std::move(slot.trajectory), std::move(error)});
  slot.sample.reset();
  --running_;
}

void DecodeBatch::Abort(Which which, std::vector<FinishedSample>& finished) {
  for (Slot& slot : slots_) {
    if (slot.sample == nullptr) continue;
    if (which == Which::kCancelled && !slot.sample->cancelled) continue;
    Finish(slot, v1::FINISH_REASON_ABORTED, absl::OkStatus(), finished);
  }
}

double DecodeBatch::CacheUsage() const {
  int64_t used = 0;
  for (const Slot& slot : slots_) {
    if (slot.sample == nullptr) continue;
    used += slot.trajectory.prompt_token_ids_size() +
            slot.trajectory.response_token_ids_size();
  }
  return static_cast<double>(used) /
         static_cast<double>(max_positions_ *
                             static_cast<int64_t>(slots_.size()));
}

}  // namespace operant::rollout
