#include "rollout/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "common/nn/cpu_kernels.h"

namespace operant::rollout {
namespace {

// Below it the division of logits by the temperature may overflow.
constexpr float kMinTemperature = 1e-6f;

// The lowest id among the largest logits.
int32_t ArgMax(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) -
                              logits.begin());
}

double SumOf(std::span<const float> numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0);
}

// Where a running sum first exceeds a target.
struct Crossing {
  size_t index = 0;
  double before = 0;  // the sum up to index
};

// Sums `weights` from `sum` on. Rounding may leave the target beyond the end:
// then the last index that made the sum larger.
Crossing FindInSum(std::span<const float> weights, double sum, double target) {
  Crossing found{0, sum};
  for (size_t i = 0; i < weights.size() && sum <= target; ++i) {
    const double next = sum + weights[i];
    if (next == sum) continue;
    found = {i, sum};
    sum = next;
  }
  return found;
}

}  // namespace

absl::Status ValidateSampling(const Sampling& s, int64_t vocab_size) {
  const auto fault = [](const auto&... parts) {
    return absl::InvalidArgumentError(absl::StrCat("sampling: ", parts...));
  };
  const bool greedy = s.temperature == 0;
  if (!greedy &&
      !(s.temperature >= kMinTemperature && std::isfinite(s.temperature))) {
    return fault("temperature=", s.temperature, ", expected 0 (greedy) or ",
                 kMinTemperature, " and above");
  }
  if (!(s.top_p > 0 && s.top_p <= 1)) {
    return fault("top_p=", s.top_p, ", expected above 0 and at most 1");
  }
  if (s.top_k < 0) return fault("top_k=", s.top_k, ", expected 0 or above");
  if (s.max_response_tokens < 1) {
    return fault("max_response_tokens=", s.max_response_tokens,
                 ", expected at least 1");
  }
  for (const int32_t id : s.stop_token_ids) {
    if (id >= 0 && id < vocab_size) continue;
    return fault("stop_token_id=", id, ", expected 0..", vocab_size - 1);
  }
  return absl::OkStatus();
}

Sampler::Sampler() : kernels_(BestCpuKernels()) {}

absl::StatusOr<SampledToken> Sampler::Sample(std::span<const float> logits,
                                             const Sampling& sampling,
                                             float uniform) {
  const auto n = static_cast<int64_t>(logits.size());
  const Range range = kernels_.range(logits.data(), n);
  max_ = range.high;
  const bool greedy = sampling.temperature == 0;
  const bool filtered = !greedy && (sampling.top_p < 1 ||
                                    (sampling.top_k > 0 && sampling.top_k < n));
  const float inverse_t = greedy ? 1.0f : 1.0f / sampling.temperature;
  weights_.resize(logits.size());
  sums_.resize((logits.size() + kSumRun - 1) / kSumRun);
  kernels_.exp_sums(logits.data(), n, {max_, inverse_t}, weights_.data(),
                    sums_.data());
  const double total = SumOf(sums_);
  if (!std::isfinite(range.low) || !std::isfinite(max_) ||
      !std::isfinite(total)) {
    return absl::DataLossError(
        "sampling: a logit is not finite, expected finite logits; the weights "
        "or the arithmetic are broken");
  }
  const Draw draw{logits, inverse_t, total, uniform};
  if (greedy) return Scored(draw, ArgMax(logits), total);
  return filtered ? DrawFromSome(draw, sampling) : DrawFromAll(draw);
}

SampledToken Sampler::Scored(const Draw& draw, int32_t id, double total) const {
  const float z =
      (draw.logits[static_cast<size_t>(id)] - max_) * draw.inverse_t;
  const auto log_total = static_cast<float>(std::log(total));
  return {id, std::min(0.0f, z - log_total)};
}

SampledToken Sampler::DrawFromAll(const Draw& draw) const {
  const double target = draw.uniform * draw.total;
  const Crossing run = FindInSum(sums_, 0, target);
  const size_t first = run.index * kSumRun;
  const size_t count = std::min<size_t>(kSumRun, weights_.size() - first);
  const Crossing token =
      FindInSum(std::span(weights_).subspan(first, count), run.before, target);
  return Scored(draw, static_cast<int32_t>(first + token.index), draw.total);
}

SampledToken Sampler::DrawFromSome(const Draw& draw, const Sampling& sampling) {
  RankIds(draw.logits, sampling.top_k);
  ranked_.clear();
  for (const int32_t id : ids_) {
    ranked_.push_back(weights_[static_cast<size_t>(id)]);
  }
  ranked_.resize(CountTopP(sampling.top_p));
  const double total = SumOf(ranked_);
  const size_t rank = FindInSum(ranked_, 0, draw.uniform * total).index;
  return Scored(draw, ids_[rank], total);
}

void Sampler::RankIds(std::span<const float> logits, int32_t top_k) {
  ids_.resize(logits.size());
  std::iota(ids_.begin(), ids_.end(), 0);
  const size_t keep =
      top_k > 0 ? std::min<size_t>(static_cast<size_t>(top_k), ids_.size())
                : ids_.size();
  std::partial_sort(ids_.begin(), ids_.begin() + static_cast<int64_t>(keep),
                    ids_.end(), [logits](int32_t a, int32_t b) {
                      const float x = logits[static_cast<size_t>(a)];
                      const float y = logits[static_cast<size_t>(b)];
                      return x != y ? x > y : a < b;
                    });
  ids_.resize(keep);
}

size_t Sampler::CountTopP(float top_p) const {
  const double target = SumOf(ranked_) * top_p;
  double sum = 0;
  for (size_t i = 0; i < ranked_.size(); ++i) {
    sum += ranked_[i];
    if (sum >= target) return i + 1;
  }
  return ranked_.size();
}

}  // namespace operant::rollout
