#include "learner/ring.h"

#include <cmath>

namespace operant::learner {
namespace {

template <typename T>
void Sum(T* __restrict into, const T* __restrict from, int64_t elements) {
  for (int64_t i = 0; i < elements; ++i) into[i] += from[i];
}

bool IsNan(float value) { return std::isnan(value); }
bool IsNan(double value) { return std::isnan(value); }
bool IsNan(int64_t) { return false; }

template <typename T>
void Max(T* __restrict into, const T* __restrict from, int64_t elements) {
  for (int64_t i = 0; i < elements; ++i) {
    if (from[i] > into[i] || IsNan(from[i])) into[i] = from[i];
  }
}

template <typename T>
void CombineAs(Reduction reduction, void* into, const void* from,
               int64_t elements) {
  if (reduction == Reduction::kSum) {
    Sum(static_cast<T*>(into), static_cast<const T*>(from), elements);
  } else {
    Max(static_cast<T*>(into), static_cast<const T*>(from), elements);
  }
}

int Modulo(int value, int n) { return ((value % n) + n) % n; }

}  // namespace

RingPart PartOf(int64_t elements, int n, int index) {
  const int64_t small = elements / n;
  const int64_t larger = elements % n;  // the first ones have one more
  const auto begin_of = [&](int64_t i) {
    return i * small + (i < larger ? i : larger);
  };
  return {begin_of(index), begin_of(index + 1)};
}

RingTurn ReduceTurn(int rank, int n, int turn) {
  return {Modulo(rank - turn - 1, n), Modulo(rank - turn - 2, n)};
}

RingTurn GatherTurn(int rank, int n, int turn) {
  return {Modulo(rank - turn, n), Modulo(rank - turn - 1, n)};
}

void Combine(ElementType type, Reduction reduction, void* into,
             const void* from, int64_t elements) {
  switch (type) {
    case ElementType::kFloat:
      return CombineAs<float>(reduction, into, from, elements);
    case ElementType::kDouble:
      return CombineAs<double>(reduction, into, from, elements);
    case ElementType::kInt64:
      return CombineAs<int64_t>(reduction, into, from, elements);
  }
}

}  // namespace operant::learner
