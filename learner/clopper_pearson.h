// The exact confidence interval of a rate.
#ifndef OPERANT_LEARNER_CLOPPER_PEARSON_H_
#define OPERANT_LEARNER_CLOPPER_PEARSON_H_

#include <cstdint>

namespace operant::learner {

struct RateInterval {
  double low = 0;
  double high = 1;
};

// Two-sided Clopper-Pearson interval (Biometrika 26, 1934) of `failures` among
// `trials`: the rates that neither tail of the binomial refutes at
// (1 - confidence) / 2. Exact: it covers the true rate at least `confidence` of
// the time. Requires 0 <= failures <= trials, 0 < confidence < 1; no trials
// give [0, 1].
RateInterval ClopperPearson(int64_t failures, int64_t trials,
                            double confidence = 0.95);

// I_x(a, b), the regularised incomplete beta function; a, b > 0, x in [0, 1].
// Relative error near 1e-12.
double RegularizedBeta(double x, double a, double b);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_CLOPPER_PEARSON_H_
