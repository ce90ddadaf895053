// Sixteen floats on AVX-512F. Included by one .cc file only (cpu_kernels.h says
// why it is in an anonymous namespace).
#ifndef OPERANT_COMMON_NN_SIMD_AVX512_H_
#define OPERANT_COMMON_NN_SIMD_AVX512_H_

#include <immintrin.h>

#include <cstdint>

namespace operant {
namespace {

struct Vec {
  static constexpr int kLanes = 16;
  static constexpr int kTileRows = 14;  // of the 14 x 32 product tile
  __m512 v;

  static __mmask16 Mask(int64_t n) {
    return static_cast<__mmask16>((1u << n) - 1);
  }
  static Vec Set(float x) { return {_mm512_set1_ps(x)}; }
  static Vec Load(const float* p) { return {_mm512_loadu_ps(p)}; }
  // The first n numbers; the other lanes are 0.
  static Vec LoadSome(const float* p, int64_t n) {
    return {_mm512_maskz_loadu_ps(Mask(n), p)};
  }
  void Store(float* p) const { _mm512_storeu_ps(p, v); }
  void StoreSome(float* p, int64_t n) const {
    _mm512_mask_storeu_ps(p, Mask(n), v);
  }
  // The first n lanes of *this, `other` elsewhere.
  Vec Keep(int64_t n, Vec other) const {
    return {_mm512_mask_blend_ps(Mask(n), other.v, v)};
  }
  // 2^x for whole x in [-126, 127].
  static Vec Exp2Whole(Vec x) {
    const __m512i bits =
        _mm512_add_epi32(_mm512_cvtps_epi32(x.v), _mm512_set1_epi32(127));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(bits, 23))};
  }
  static Vec Round(Vec x) {
    return {_mm512_roundscale_ps(
        x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  float Sum() const { return _mm512_reduce_add_ps(v); }
};

inline Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
// a * b + c
inline Vec Fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// A NaN in b comes through; one in a does not.
inline Vec Max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Vec Min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }

}  // namespace
}  // namespace operant

#endif  // OPERANT_COMMON_NN_SIMD_AVX512_H_
