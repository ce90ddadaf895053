#include "learner/admission.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace operant::learner {
namespace {

absl::Status Malformed(const v1::Trajectory& t, const std::string& what) {
  return absl::InvalidArgumentError(
      absl::StrCat("trajectory ", t.id(), " from worker '", t.worker_id(),
                   "' refused: ", what));
}

absl::Status CheckLengths(const v1::Trajectory& t) {
  const int tokens = t.response_token_ids_size();
  uint64_t spanned = 0;
  for (const v1::VersionSpan& span : t.versions()) spanned += span.tokens();
  if (tokens == 0) return Malformed(t, "it has no response tokens");
  if (t.response_logprobs_size() != tokens || spanned != uint64_t(tokens)) {
    return Malformed(t,
                     absl::StrCat(tokens, " ids, ", t.response_logprobs_size(),
                                  " log-probs, ", spanned,
                                  " versioned tokens, expected equal"));
  }
  return absl::OkStatus();
}

absl::Status CheckValues(const v1::Trajectory& t, const AdmissionRules& rules) {
  for (int32_t id : t.response_token_ids()) {
    if (id < 0 || id >= rules.vocab_size) {
      return Malformed(t, absl::StrCat("token id ", id, ", expected 0..",
                                       rules.vocab_size - 1));
    }
  }
  // A sampled token's probability is positive; rounding may lift log p of a
  // certain token a hair above 0.
  constexpr float kRounding = 1e-5f;
  for (float logprob : t.response_logprobs()) {
    if (!std::isfinite(logprob) || logprob > kRounding) {
      return Malformed(
          t, absl::StrCat("log-prob ", logprob, ", expected finite and <= 0"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFinish(const v1::Trajectory& t, const AdmissionRules& rules) {
  const auto& stops = rules.sampling.stop_token_ids();
  const int32_t last = *t.response_token_ids().rbegin();
  const bool stopped =
      std::find(stops.begin(), stops.end(), last) != stops.end();
  if (t.finish() == v1::FINISH_REASON_STOP && stopped) return absl::OkStatus();
  if (t.finish() == v1::FINISH_REASON_LENGTH && !stopped)
    return absl::OkStatus();
  return Malformed(t, absl::StrCat("finish=", v1::FinishReason_Name(t.finish()),
                                   " does not fit its last token id ", last));
}

absl::Status CheckWeights(const v1::Trajectory& t,
                          const AdmissionRules& rules) {
  if (rules.published == nullptr) return absl::OkStatus();
  const uint64_t version = t.versions().rbegin()->policy_version();
  auto published = rules.published->find(version);
  if (published != rules.published->end() &&
      published->second == t.weights_digest()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "trajectory ", t.id(), " from worker '", t.worker_id(),
      "' refused: its weights are not those published as version ", version));
}

absl::Status CheckVersions(const v1::Trajectory& t,
                           const AdmissionRules& rules) {
  for (const v1::VersionSpan& span : t.versions()) {
    if (span.policy_version() < rules.min_policy_version ||
        span.policy_version() > rules.max_policy_version) {
      return absl::FailedPreconditionError(absl::StrCat(
          "trajectory ", t.id(), " from worker '", t.worker_id(),
          "' refused: version ", span.policy_version(), ", expected ",
          rules.min_policy_version, "..", rules.max_policy_version));
    }
  }
  return CheckWeights(t, rules);
}

}  // namespace

absl::Status Admit(const v1::Trajectory& t, std::span<const int32_t> prompt,
                   const AdmissionRules& rules) {
  if (t.finish() == v1::FINISH_REASON_ABORTED) {
    return absl::AbortedError(absl::StrCat(
        "trajectory ", t.id(), " was aborted by worker '", t.worker_id(), "'"));
  }
  RETURN_IF_ERROR(CheckLengths(t));
  if (!std::equal(prompt.begin(), prompt.end(), t.prompt_token_ids().begin(),
                  t.prompt_token_ids().end())) {
    return Malformed(t, "its prompt is not the one that was asked for");
  }
  RETURN_IF_ERROR(CheckValues(t, rules));
  RETURN_IF_ERROR(CheckFinish(t, rules));
  return CheckVersions(t, rules);
}

uint64_t OldestVersion(const v1::Trajectory& trajectory) {
  uint64_t oldest = ~uint64_t{0};
  for (const v1::VersionSpan& span : trajectory.versions())
    oldest = std::min<uint64_t>(oldest, span.policy_version());
  return oldest;
}

uint64_t NewestVersion(const v1::Trajectory& trajectory) {
  uint64_t newest = 0;
  for (const v1::VersionSpan& span : trajectory.versions())
    newest = std::max<uint64_t>(newest, span.policy_version());
  return newest;
}

}  // namespace operant::learner
