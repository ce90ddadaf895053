// Eight floats on AVX2 with FMA. Included by one .cc file only
// (cpu_kernels.h says why it is in an anonymous namespace).
#ifndef OPERANT_COMMON_NN_SIMD_AVX2_H_
#define OPERANT_COMMON_NN_SIMD_AVX2_H_

#include <immintrin.h>

#include <cstdint>

namespace operant {
namespace {

struct Vec {
  static constexpr int kLanes = 8;
  static constexpr int kTileRows = 6;  // of the 6 x 16 product tile
  __m256 v;

  static __m256i Mask(int64_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
  }
  static Vec Set(float x) { return {_mm256_set1_ps(x)}; }
  static Vec Load(const float* p) { return {_mm256_loadu_ps(p)}; }
  // The first n numbers; the other lanes are 0.
  static Vec LoadSome(const float* p, int64_t n) {
    return {_mm256_maskload_ps(p, Mask(n))};
  }
  void Store(float* p) const { _mm256_storeu_ps(p, v); }
  void StoreSome(float* p, int64_t n) const {
    _mm256_maskstore_ps(p, Mask(n), v);
  }
  // The first n lanes of *this, `other` elsewhere.
  Vec Keep(int64_t n, Vec other) const {
    return {_mm256_blendv_ps(other.v, v, _mm256_castsi256_ps(Mask(n)))};
  }
  // 2^x for whole x in [-126, 127].
  static Vec Exp2Whole(Vec x) {
    const __m256i bits =
        _mm256_add_epi32(_mm256_cvtps_epi32(x.v), _mm256_set1_epi32(127));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(bits, 23))};
  }
  static Vec Round(Vec x) {
    return {
        _mm256_round_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  float Sum() const {
    __m128 s =
        _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
};

inline Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
// a * b + c
inline Vec Fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
// A NaN in b comes through; one in a does not.
inline Vec Max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
inline Vec Min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }

}  // namespace
}  // namespace operant

#endif  // OPERANT_COMMON_NN_SIMD_AVX2_H_
