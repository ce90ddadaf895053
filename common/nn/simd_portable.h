// Four floats in the compiler's vector extension: SSE2, NEON or whatever the
// target's baseline is. Included by one .cc file only (cpu_kernels.h says why
// it is in an anonymous namespace).
#ifndef OPERANT_COMMON_NN_SIMD_PORTABLE_H_
#define OPERANT_COMMON_NN_SIMD_PORTABLE_H_

#include <cstdint>

namespace operant {
namespace {

struct Vec {
  static constexpr int kLanes = 4;
  static constexpr int kTileRows = 4;  // of the 4 x 8 product tile
  using Floats = float __attribute__((vector_size(16)));
  using Ints = int32_t __attribute__((vector_size(16)));
  Floats v;

  static Vec Set(float x) { return {Floats{x, x, x, x}}; }
  static Vec Load(const float* p) {
    Vec x;
    __builtin_memcpy(&x.v, p, sizeof(x.v));
    return x;
  }
  // The first n numbers; the other lanes are 0.
  static Vec LoadSome(const float* p, int64_t n) {
    Vec x = Set(0);
    for (int64_t i = 0; i < n; ++i) x.v[i] = p[i];
    return x;
  }
  void Store(float* p) const { __builtin_memcpy(p, &v, sizeof(v)); }
  void StoreSome(float* p, int64_t n) const {
    for (int64_t i = 0; i < n; ++i) p[i] = v[i];
  }
  // The first n lanes of *this, `other` elsewhere.
  Vec Keep(int64_t n, Vec other) const {
    const int32_t k = static_cast<int32_t>(n);
    return {(Ints{0, 1, 2, 3} < Ints{k, k, k, k}) ? v : other.v};
  }
  // 2^x for whole x in [-126, 127].
  static Vec Exp2Whole(Vec x) {
    const Ints bits = (__builtin_convertvector(x.v, Ints) + 127) << 23;
    Vec out;
    __builtin_memcpy(&out.v, &bits, sizeof(bits));
    return out;
  }
  // To nearest, for |x| < 2^22: adding 1.5 * 2^23 drops the fraction.
  static Vec Round(Vec x) {
    constexpr float kShift = 12582912.0f;
    return {(x.v + kShift) - kShift};
  }
  float Sum() const { return (v[0] + v[2]) + (v[1] + v[3]); }
};

inline Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
inline Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
inline Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
inline Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
// a * b + c
inline Vec Fma(Vec a, Vec b, Vec c) { return {a.v * b.v + c.v}; }
// A NaN in b comes through; one in a does not.
inline Vec Max(Vec a, Vec b) { return {a.v > b.v ? a.v : b.v}; }
inline Vec Min(Vec a, Vec b) { return {a.v < b.v ? a.v : b.v}; }

}  // namespace
}  // namespace operant

#endif  // OPERANT_COMMON_NN_SIMD_PORTABLE_H_
