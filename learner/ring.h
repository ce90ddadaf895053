// The arithmetic of a ring of ranks, without a transport: who sends which part
// when, and how parts are added up. Pure.
//
// A tensor is cut into n parts. Reduce-scatter, n-1 turns: in each, a rank
// sends one part to the next rank and adds the one it gets from the rank before
// to its own; after them, rank r holds the sum of part r. All-gather, n-1
// turns: each rank passes on the part that it got last. Either way a rank sends
// S (n-1)/n bytes of S, the least that there can be, and the order of a sum is
// that of the ring: the same bits on every rank and in every run.
#ifndef OPERANT_LEARNER_RING_H_
#define OPERANT_LEARNER_RING_H_

#include <cstdint>

#include "learner/collective.h"

namespace operant::learner {

// Elements [begin, end).
struct RingPart {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};

// Part `index` of n; sizes differ by at most one, and not at all where n
// divides `elements`.
RingPart PartOf(int64_t elements, int n, int index);

// Of a turn, which part goes out and which comes in.
struct RingTurn {
  int send = 0;
  int receive = 0;
};
RingTurn ReduceTurn(int rank, int n, int turn);
RingTurn GatherTurn(int rank, int n, int turn);

enum class ElementType { kFloat, kDouble, kInt64 };

// into[i] = into[i] + from[i], or the larger one; a NaN in either stays one.
void Combine(ElementType type, Reduction reduction, void* into,
             const void* from, int64_t elements);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RING_H_
