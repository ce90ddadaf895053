#include "reward/bradley_terry.h"

#include <algorithm>
#include <cmath>

namespace operant::reward {
namespace {

constexpr int kMaxIterations = 10'000;
constexpr double kTolerance = 1e-9;

// meetings[i][j] = meetings[j][i]; wins[i] of all its meetings.
struct Record {
  std::vector<std::vector<double>> meetings;
  std::vector<double> wins;
};

Record Count(int count, const std::vector<Comparison>& comparisons) {
  Record record = {
      std::vector<std::vector<double>>(count, std::vector<double>(count, 0)),
      std::vector<double>(count, 0)};
  const auto meet = [&record](int i, int j, double share) {
    record.meetings[i][j] += 1;
    record.meetings[j][i] += 1;
    record.wins[i] += share;
    record.wins[j] += 1 - share;
  };
  for (const Comparison& c : comparisons) meet(c.first, c.second, c.share);
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < i; ++j) {
      if (record.meetings[i][j] > 0) meet(i, j, 0.5);
    }
  }
  return record;
}

// p_i = W_i / sum_j N_ij / (p_i + p_j).
double Updated(const Record& record, const std::vector<double>& p, int i) {
  double sum = 0;
  for (size_t j = 0; j < p.size(); ++j) {
    sum += record.meetings[i][j] / (p[i] + p[j]);
  }
  return sum > 0 ? record.wins[i] / sum : p[i];
}

void Center(std::vector<double>& scores) {
  double mean = 0;
  for (const double s : scores) mean += s / static_cast<double>(scores.size());
  for (double& s : scores) s -= mean;
}

}  // namespace

std::vector<double> BradleyTerryScores(
    int count, const std::vector<Comparison>& comparisons) {
  const Record record = Count(count, comparisons);
  std::vector<double> p(count, 1);
  for (int iteration = 0; iteration < kMaxIterations; ++iteration) {
    double change = 0;
    for (int i = 0; i < count; ++i) {
      const double updated = Updated(record, p, i);
      change = std::max(change, std::fabs(std::log(updated / p[i])));
      p[i] = updated;
    }
    if (change < kTolerance) break;
  }
  std::vector<double> scores(count);
  for (int i = 0; i < count; ++i) scores[i] = std::log(p[i]);
  Center(scores);
  return scores;
}

}  // namespace operant::reward
