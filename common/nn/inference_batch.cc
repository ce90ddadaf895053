#include "common/nn/inference_batch.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace operant {
namespace {

absl::Status CheckTokens(std::span<const int32_t> tokens, int64_t vocab_size) {
  for (const int32_t token : tokens) {
    if (token >= 0 && token < vocab_size) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("token_id=", token, ", expected 0..", vocab_size - 1));
  }
  return absl::OkStatus();
}

absl::Status CheckEntry(const EngineLimits& limits, const SlotTokens& entry) {
  if (entry.slot < 0 || entry.slot >= limits.slots) {
    return absl::InvalidArgumentError(
        absl::StrCat("slot=", entry.slot, ", expected 0..", limits.slots - 1));
  }
  if (entry.tokens.empty()) {
    return absl::InvalidArgumentError("tokens=0, expected at least 1");
  }
  const int64_t end =
      entry.position + static_cast<int64_t>(entry.tokens.size());
  if (entry.position < 0 || end > limits.max_positions) {
    return absl::InvalidArgumentError(
        absl::StrCat("positions=", entry.position, "..", end - 1,
                     ", expected 0..", limits.max_positions - 1));
  }
  return CheckTokens(entry.tokens, limits.vocab_size);
}

absl::Status CheckSequence(const ModelConfig& config,
                           const SequenceTokens& sequence) {
  if (sequence.first_scored < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "first_scored=", sequence.first_scored, ", expected at least 1"));
  }
  if (static_cast<int64_t>(sequence.tokens.size()) >
      config.max_position_embeddings) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokens=", sequence.tokens.size(), ", expected at most ",
                     config.max_position_embeddings, ", the model's context"));
  }
  return CheckTokens(sequence.tokens, config.vocab_size);
}

absl::Status Prefixed(const char* prefix, size_t index,
                      const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(prefix, index, ": ", status.message()));
}

}  // namespace

EngineLimits LimitsOf(const ModelConfig& config,
                      const InferenceModel::Options& options) {
  EngineLimits limits{config.vocab_size, options.slots,
                      config.max_position_embeddings};
  if (options.max_positions > 0) {
    limits.max_positions =
        std::min<int64_t>(options.max_positions, limits.max_positions);
  }
  return limits;
}

absl::Status CheckForward(const EngineLimits& limits,
                          std::span<const SlotTokens> batch,
                          size_t logits_size) {
  std::vector<bool> used(static_cast<size_t>(limits.slots));
  for (size_t i = 0; i < batch.size(); ++i) {
    RETURN_IF_ERROR(
        Prefixed("forward, entry ", i, CheckEntry(limits, batch[i])));
    const auto slot = static_cast<size_t>(batch[i].slot);
    if (used[slot]) {
      return absl::InvalidArgumentError(absl::StrCat(
          "forward, entry ", i, ": slot=", slot, ", expected once per call"));
    }
    used[slot] = true;
  }
  const size_t expected = batch.size() * static_cast<size_t>(limits.vocab_size);
  if (logits_size == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "forward: logits size=", logits_size, ", expected ", expected));
}

absl::Status CheckScore(const ModelConfig& config,
                        std::span<const SequenceTokens> sequences,
                        float temperature) {
  if (!(temperature > 0) || !std::isfinite(temperature)) {
    return absl::InvalidArgumentError(
        absl::StrCat("score: temperature=", temperature, ", expected above 0"));
  }
  for (size_t i = 0; i < sequences.size(); ++i) {
    RETURN_IF_ERROR(
        Prefixed("score, sequence ", i, CheckSequence(config, sequences[i])));
  }
  return absl::OkStatus();
}

size_t ScoredPositions(const SequenceTokens& sequence) {
  const auto first = static_cast<size_t>(sequence.first_scored);
  return sequence.tokens.size() > first ? sequence.tokens.size() - first : 0;
}

std::vector<size_t> SplitEvenly(std::span<const int64_t> sizes, int parts) {
  int64_t total = 0;
  for (const int64_t size : sizes) total += size;
  std::vector<size_t> bounds = {0};
  size_t item = 0;
  int64_t taken = 0;
  for (int part = 1; part <= parts; ++part) {
    const int64_t target = total * part / parts;
    while (item < sizes.size() && taken < target) taken += sizes[item++];
    bounds.push_back(part == parts ? sizes.size() : item);
  }
  return bounds;
}

}  // namespace operant
