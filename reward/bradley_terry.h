// Strengths from pairwise preferences.
#ifndef OPERANT_REWARD_BRADLEY_TERRY_H_
#define OPERANT_REWARD_BRADLEY_TERRY_H_

#include <vector>

namespace operant::reward {

// `first` against `second`; `share` is what `first` won: 1, 0, or 0.5 of a tie.
struct Comparison {
  int first = 0;
  int second = 0;
  double share = 0;
};

// The log strengths s of `count` players under P(i beats j) = 1 / (1 + exp(s_j
// - s_i)) (Bradley, Terry: "Rank analysis of incomplete block designs",
// Biometrika 1952), with mean 0. Each pair that met is given one more meeting
// that is a tie, so that who always wins has a finite strength. Fitted by
// Hunter's MM iteration (Annals of Statistics 2004, Eq. 3) to 1e-9.
std::vector<double> BradleyTerryScores(
    int count, const std::vector<Comparison>& comparisons);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_BRADLEY_TERRY_H_
