#include "learner/experience_stats.h"

#include <algorithm>
#include <cmath>

namespace operant::learner {
namespace {

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / whole;
}

int64_t CountOutcome(std::span<const ItemScore> scores,
                     ItemScore::Outcome outcome) {
  return std::ranges::count(scores, outcome, &ItemScore::outcome);
}

// A token's figure and what it counts for.
struct Weighted {
  double value = 0;
  double weight = 1;
};

// The trained tokens' values of `value_at(n)`, with their responses' weights.
template <typename ValueAt>
std::vector<Weighted> TrainedValues(const Experience& e, ValueAt value_at) {
  std::vector<Weighted> values;
  values.reserve(e.tokens.size());
  for (int64_t i = 0; i < e.responses(); ++i) {
    if (!e.trained[i]) continue;
    for (int64_t n = e.response_begin[i]; n < e.response_begin[i + 1]; ++n) {
      values.push_back({static_cast<double>(value_at(n)), e.weights[i]});
    }
  }
  return values;
}

Moments WeightedMoments(const std::vector<Weighted>& values) {
  double weight = 0, sum = 0, squares = 0;
  for (const Weighted& v : values) {
    weight += v.weight;
    sum += v.weight * v.value;
  }
  if (weight <= 0) return {};
  const double mean = sum / weight;
  for (const Weighted& v : values) {
    squares += v.weight * (v.value - mean) * (v.value - mean);
  }
  return {mean, std::sqrt(squares / weight)};
}

template <typename ValueAt>
double TrainedMean(const Experience& e, ValueAt value_at) {
  return WeightedMoments(TrainedValues(e, value_at)).mean;
}

// Weighted tokens over weighted responses, of trained ones.
double TokensPerResponse(const Experience& e) {
  double tokens = 0, responses = 0;
  for (int64_t i = 0; i < e.responses(); ++i) {
    if (!e.trained[i]) continue;
    tokens += e.weights[i] * static_cast<double>(e.length(i));
    responses += e.weights[i];
  }
  return responses > 0 ? tokens / responses : 0;
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
    if (!score.has_score()) continue;
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
    if (!score.has_score()) continue;
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
  stats.reference_kl_per_response =
      TrainedMean(e, log_ratio) * TokensPerResponse(e);
  stats.reference_kl_per_token = TrainedMean(e, [&](int64_t n) {
    const double l = log_ratio(n);
    return std::expm1(-l) + l;
  });
}

// The smallest gap that `share` of the weight does not exceed.
double Quantile(std::vector<Weighted> gaps, double share) {
  std::ranges::sort(gaps, {}, &Weighted::value);
  double total = 0;
  for (const Weighted& gap : gaps) total += gap.weight;
  double below = 0;
  for (const Weighted& gap : gaps) {
    below += gap.weight;
    if (below >= share * total) return gap.value;
  }
  return gaps.empty() ? 0 : gaps.back().value;
}

void SummariseSamplerGap(const ExperienceStatsInputs& in,
                         ExperienceStats& stats) {
  const Experience& e = *in.experience;
  const auto log_ratio = [&e](int64_t n) {
    return double{e.old_logp[n]} - e.sampler_logp[n];
  };
  const std::vector<Weighted> gaps =
      TrainedValues(e, [&](int64_t n) { return std::abs(log_ratio(n)); });
  if (gaps.empty()) return;
  stats.sampler_kl_per_token = -TrainedMean(e, log_ratio);
  stats.sampler_gap_mean = WeightedMoments(gaps).mean;
  stats.sampler_gap_p99 = Quantile(gaps, 0.99);
  stats.sampler_gap_max = std::ranges::max(gaps, {}, &Weighted::value).value;
  const double log_cap = std::log(in.importance_cap);
  stats.importance_truncated = TrainedMean(
      e, [&](int64_t n) { return log_ratio(n) > log_cap ? 1.0 : 0.0; });
}

void SummariseAdvantages(const ExperienceStatsInputs& in,
                         ExperienceStats& stats) {
  const Experience& e = *in.experience;
  const auto of = [&e](const auto& field) {
    return WeightedMoments(
        TrainedValues(e, [&](int64_t n) { return field[n]; }));
  };
  stats.advantage = of(in.raw_advantages);
  stats.return_ = of(e.returns);
  stats.value = of(e.values);
  const Moments error = WeightedMoments(TrainedValues(
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
  stats.entropy = TrainedMean(e, [&](int64_t n) { return e.entropy[n]; });
  stats.reward_per_response =
      TrainedMean(e, [&](int64_t n) { return e.rewards[n]; }) *
      TokensPerResponse(e);
  return stats;
}

void DescribeBatch(std::span<const v1::Trajectory> trajectories,
                   const ExperienceStatsInputs& in, ExperienceStats& stats) {
  Experience whole;  // as if nothing had been selected
  whole.response_begin = {0};
  for (size_t i = 0; i < trajectories.size(); ++i) {
    const v1::Trajectory& t = trajectories[i];
    whole.group_ids.push_back(t.group_id());
    whole.finishes.push_back(t.finish());
    whole.staleness.push_back(0);
    whole.scores.push_back(static_cast<float>(in.scores[i].score));
    whole.trained.push_back(in.scores[i].has_score() ? 1 : 0);
    whole.weights.push_back(1);
    whole.tokens.insert(whole.tokens.end(), t.response_token_ids().begin(),
                        t.response_token_ids().end());
    whole.response_begin.push_back(static_cast<int64_t>(whole.tokens.size()));
  }
  ExperienceStats of_all;
  const ExperienceStatsInputs inputs{
      .experience = &whole, .scores = in.scores, .score_clip = in.score_clip};
  CountResponses(inputs, of_all);
  SummariseScores(inputs, of_all);
  stats.responses = of_all.responses;
  stats.ignored = of_all.ignored;
  stats.dropped = of_all.dropped;
  stats.replaced = of_all.replaced;
  stats.truncated = of_all.truncated;
  stats.mean_length = of_all.mean_length;
  stats.max_length = of_all.max_length;
  stats.score = of_all.score;
  stats.components = of_all.components;
  stats.clipped_scores = of_all.clipped_scores;
  stats.zero_variance_groups = of_all.zero_variance_groups;
  stats.groups = of_all.groups;
}

}  // namespace operant::learner
