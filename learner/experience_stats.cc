#include "learner/experience_stats.h"

#include <algorithm>
#include <cmath>

namespace operant::learner {
namespace {

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / whole;
}

bool HasScore(const ItemScore& score) {
  return score.outcome == ItemScore::Outcome::kScored ||
         score.outcome == ItemScore::Outcome::kReplaced;
}

int64_t CountOutcome(std::span<const ItemScore> scores,
                     ItemScore::Outcome outcome) {
  return std::ranges::count(scores, outcome, &ItemScore::outcome);
}

// Calls `visit(n)` with the index of every trained token.
template <typename Visit>
void ForTrainedTokens(const Experience& e, Visit visit) {
  for (int64_t i = 0; i < e.responses(); ++i) {
    if (!e.trained[i]) continue;
    for (int64_t n = e.response_begin[i]; n < e.response_begin[i + 1]; ++n) {
      visit(n);
    }
  }
}

// The trained tokens' values of `value_at(n)`.
template <typename ValueAt>
std::vector<double> TrainedValues(const Experience& e, ValueAt value_at) {
  std::vector<double> values;
  values.reserve(e.tokens.size());
  ForTrainedTokens(e, [&](int64_t n) { values.push_back(value_at(n)); });
  return values;
}

template <typename ValueAt>
double TrainedMean(const Experience& e, ValueAt value_at) {
  return MomentsOf(TrainedValues(e, value_at)).mean;
}

void CountResponses(const ExperienceStatsInputs& in, ExperienceStats& stats) {
  const Experience& e = *in.experience;
  stats.responses = e.responses();
  stats.trained_responses = e.trained_responses();
  stats.trained_tokens = e.trained_tokens();
  stats.ignored = CountOutcome(in.scores, ItemScore::Outcome::kIgnored);
  stats.dropped = CountOutcome(in.scores, ItemScore::Outcome::kDropped);
  stats.replaced = CountOutcome(in.scores, ItemScore::Outcome::kReplaced);
  stats.truncated = std::ranges::count(e.finishes, v1::FINISH_REASON_LENGTH);
  stats.mean_length =
      Share(static_cast<int64_t>(e.tokens.size()), stats.responses);
  for (int64_t i = 0; i < e.responses(); ++i) {
    stats.max_length = std::max(stats.max_length, e.length(i));
    stats.max_staleness = std::max(stats.max_staleness, e.staleness[i]);
    stats.mean_staleness += static_cast<double>(e.staleness[i]);
  }
  stats.mean_staleness /= std::max<int64_t>(stats.responses, 1);
}

void SummariseComponents(std::span<const ItemScore> scores,
                         ExperienceStats& stats) {
  std::map<std::string, std::vector<double>> values;
  for (const ItemScore& score : scores) {
    if (!HasScore(score)) continue;
    for (const auto& [name, value] : score.components) {
      values[name].push_back(value);
    }
  }
  for (const auto& [name, of_name] : values) {
    stats.components[name] = MomentsOf(of_name).mean;
  }
}

void CountGroups(const Experience& e, ExperienceStats& stats) {
  struct Group {
    int64_t responses = 0;
    float low = 0;
    float high = 0;
  };
  std::map<std::string_view, Group> groups;
  for (int64_t i = 0; i < e.responses(); ++i) {
    if (!e.trained[i]) continue;
    Group& group = groups[e.group_ids[i]];
    const float score = e.scores[i];
    group.low = group.responses ? std::min(group.low, score) : score;
    group.high = group.responses ? std::max(group.high, score) : score;
    ++group.responses;
  }
  for (const auto& [id, group] : groups) {
    if (group.responses < 2) continue;
    ++stats.groups;
    stats.zero_variance_groups += group.low == group.high ? 1 : 0;
  }
}

void SummariseScores(const ExperienceStatsInputs& in, ExperienceStats& stats) {
  std::vector<double> scores;
  int64_t clipped = 0;
  for (const ItemScore& score : in.scores) {
    if (!HasScore(score)) continue;
    scores.push_back(score.score);
    clipped += std::abs(score.score) > in.score_clip ? 1 : 0;
  }
  stats.score = MomentsOf(scores);
  stats.clipped_scores = Share(clipped, static_cast<int64_t>(scores.size()));
  SummariseComponents(in.scores, stats);
  CountGroups(*in.experience, stats);
}

void SummariseReferenceKl(const Experience& e, ExperienceStats& stats) {
  const auto log_ratio = [&e](int64_t n) {
    return double{e.old_logp[n]} - e.ref_logp[n];
  };
  const double tokens_per_response =
      Share(stats.trained_tokens, stats.trained_responses);
  stats.reference_kl_per_response =
      TrainedMean(e, log_ratio) * tokens_per_response;
  stats.reference_kl_per_token = TrainedMean(e, [&](int64_t n) {
    const double l = log_ratio(n);
    return std::expm1(-l) + l;
  });
}

void SummariseSamplerGap(const ExperienceStatsInputs& in,
                         ExperienceStats& stats) {
  const Experience& e = *in.experience;
  const double log_cap = std::log(in.importance_cap);
  std::vector<double> gaps;
  double sum = 0;
  int64_t truncated = 0;
  ForTrainedTokens(e, [&](int64_t n) {
    const double log_ratio = double{e.old_logp[n]} - e.sampler_logp[n];
    gaps.push_back(std::abs(log_ratio));
    sum -= log_ratio;
    truncated += log_ratio > log_cap ? 1 : 0;
  });
  if (gaps.empty()) return;
  stats.sampler_kl_per_token = sum / static_cast<double>(gaps.size());
  stats.sampler_gap_mean = MomentsOf(gaps).mean;
  stats.importance_truncated = Share(truncated, stats.trained_tokens);
  std::ranges::sort(gaps);
  stats.sampler_gap_p99 = gaps[(gaps.size() - 1) * 99 / 100];
  stats.sampler_gap_max = gaps.back();
}

void SummariseAdvantages(const ExperienceStatsInputs& in,
                         ExperienceStats& stats) {
  const Experience& e = *in.experience;
  const auto of = [&e](const auto& field) {
    return MomentsOf(TrainedValues(e, [&](int64_t n) { return field[n]; }));
  };
  stats.advantage = of(in.raw_advantages);
  stats.return_ = of(e.returns);
  stats.value = of(e.values);
  const Moments error = MomentsOf(TrainedValues(
      e, [&](int64_t n) { return double{e.returns[n]} - e.values[n]; }));
  if (stats.return_.deviation > 0) {
    const double unexplained = error.deviation / stats.return_.deviation;
    stats.explained_variance = 1 - unexplained * unexplained;
  }
}

}  // namespace

Moments MomentsOf(std::span<const double> values) {
  if (values.empty()) return {};
  const double count = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / count)};
}

ExperienceStats ComputeExperienceStats(const ExperienceStatsInputs& in) {
  const Experience& e = *in.experience;
  ExperienceStats stats;
  CountResponses(in, stats);
  SummariseScores(in, stats);
  SummariseReferenceKl(e, stats);
  SummariseSamplerGap(in, stats);
  SummariseAdvantages(in, stats);
  const double tokens_per_response =
      Share(stats.trained_tokens, stats.trained_responses);
  stats.entropy = TrainedMean(e, [&](int64_t n) { return e.entropy[n]; });
  stats.reward_per_response =
      TrainedMean(e, [&](int64_t n) { return e.rewards[n]; }) *
      tokens_per_response;
  return stats;
}

}  // namespace operant::learner
