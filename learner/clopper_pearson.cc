#include "learner/clopper_pearson.h"

#include <cmath>
#include <limits>

namespace operant::learner {
namespace {

constexpr double kTiny = 1e-300;
constexpr double kPrecision = 1e-15;
// The fraction needs O(sqrt(max(a, b))) terms; this is enough for 10^8 trials.
constexpr int kMaxTerms = 100000;
constexpr int kBisections = 200;  // ends at neighbouring doubles much sooner

double AwayFromZero(double x) { return std::abs(x) < kTiny ? kTiny : x; }

// Continued fraction of I_x(a, b) (DLMF 8.17.22) by the modified Lentz method
// (Thompson and Barnett, 1986). Converges fast for x < (a + 1) / (a + b + 2).
double BetaFraction(double x, double a, double b) {
  double c = 1;
  double d = 1 / AwayFromZero(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m <= kMaxTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / AwayFromZero(1 + even * d);
    c = AwayFromZero(1 + even / c);
    fraction *= c * d;
    const double odd =
        -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / AwayFromZero(1 + odd * d);
    c = AwayFromZero(1 + odd / c);
    fraction *= c * d;
    if (std::abs(c * d - 1) < kPrecision) break;
  }
  return fraction;
}

// The x in [0, 1] with I_x(a, b) = p: I rises in x.
double BetaQuantile(double p, double a, double b) {
  double low = 0;
  double high = 1;
  for (int i = 0; i < kBisections; ++i) {
    const double middle = 0.5 * (low + high);
    if (middle == low || middle == high) break;
    (RegularizedBeta(middle, a, b) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

double RegularizedBeta(double x, double a, double b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // lgamma writes a global sign; all arguments here are positive.
  const double log_front = std::lgamma(a + b) - std::lgamma(a) -
                           std::lgamma(b) + a * std::log(x) +
                           b * std::log1p(-x);
  const double front = std::exp(log_front);
  if (x < (a + 1) / (a + b + 2)) return front * BetaFraction(x, a, b) / a;
  return 1 - front * BetaFraction(1 - x, b, a) / b;
}

RateInterval ClopperPearson(int64_t failures, int64_t trials,
                            double confidence) {
  const double tail = (1 - confidence) / 2;
  const double k = static_cast<double>(failures);
  const double n = static_cast<double>(trials);
  RateInterval interval;
  if (failures > 0) interval.low = BetaQuantile(tail, k, n - k + 1);
  if (failures < trials) interval.high = BetaQuantile(1 - tail, k + 1, n - k);
  return interval;
}

}  // namespace operant::learner
