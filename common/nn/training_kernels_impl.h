// The loops of training_kernels.h, written once. A source file that includes
// this defines OPERANT_KERNELS_NAMESPACE first and is compiled for one
// instruction set. Nothing of the standard library is called here: an inline
// function compiled for a newer processor could be the copy that the linker
// keeps for the whole program.
#ifndef OPERANT_COMMON_NN_TRAINING_KERNELS_IMPL_H_
#define OPERANT_COMMON_NN_TRAINING_KERNELS_IMPL_H_

#include <cstdint>

#include "common/nn/training_kernels.h"

namespace operant {
namespace OPERANT_KERNELS_NAMESPACE {

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif

// Unaligned vector of kLanes floats.
typedef float Vector
    __attribute__((vector_size(kLanes * sizeof(float)), aligned(4)));

inline float Maximum(float a, float b) { return a > b ? a : b; }

// e^x to 2 units in the last place for x in [-87, 88], cut to that range. The
// usual scheme: x = n ln 2 + r, a polynomial in r (Cephes' coefficients), and n
// added to the exponent's bits.
inline float Exp(float x) {
  constexpr float kLog2e = 1.44269504F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds
  x = x > 88.0F ? 88.0F : x;
  x = x < -87.0F ? -87.0F : x;
  const float n = (x * kLog2e + kRound) - kRound;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(n) + 127)
                        << 23;
  float power;
  __builtin_memcpy(&power, &bits, sizeof(power));
  return p * power;
}

inline float Sigmoid(float x) { return 1.0F / (1.0F + Exp(-x)); }

// sum[i] = x[i] + delta[i]; returns the sum of their squares.
inline float AddResidual(const float* x, const float* delta, float* sum,
                         int64_t width) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < width; ++i) {
    sum[i] = x[i] + delta[i];
    squares += sum[i] * sum[i];
  }
  return squares;
}

inline float SumOfSquares(const float* x, int64_t width) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < width; ++i) squares += x[i] * x[i];
  return squares;
}

inline void RmsNormForwardRows(const RmsNormForward& a, int64_t begin,
                               int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t at = row * a.width;
    const float* sum = a.delta == nullptr ? a.x + at : a.sum + at;
    const float squares =
        a.delta == nullptr
            ? SumOfSquares(a.x + at, a.width)
            : AddResidual(a.x + at, a.delta + at, a.sum + at, a.width);
    const float scale =
        1.0F /
        __builtin_sqrtf(squares / static_cast<float>(a.width) + a.epsilon);
    a.scale[row] = scale;
    float* y = a.y + at;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) y[i] = sum[i] * scale * a.weight[i];
  }
}

// With s the scale and g = weight * dy: dx = s g - x s^3 mean(g x).
inline void RmsNormBackwardRow(const RmsNormBackward& a, int64_t row) {
  const float* x = a.sum + row * a.width;
  const float* dy = a.dy + row * a.width;
  float* dx = a.dx + row * a.width;
  const float scale = a.scale[row];
  float dot = 0;
#pragma omp simd reduction(+ : dot)
  for (int64_t i = 0; i < a.width; ++i) dot += dy[i] * a.weight[i] * x[i];
  const float pull = dot * scale * scale * scale / static_cast<float>(a.width);
#pragma omp simd
  for (int64_t i = 0; i < a.width; ++i) {
    dx[i] = dy[i] * a.weight[i] * scale - x[i] * pull;
    a.dweight[i] += dy[i] * x[i] * scale;
  }
  if (a.dsum == nullptr) return;
  const float* dsum = a.dsum + row * a.width;
#pragma omp simd
  for (int64_t i = 0; i < a.width; ++i) dx[i] += dsum[i];
}

inline void RmsNormBackwardRows(const RmsNormBackward& a, int64_t begin,
                                int64_t end) {
  for (int64_t row = begin; row < end; ++row) RmsNormBackwardRow(a, row);
}

inline void SwiGluForwardRows(const SwiGluRows& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* gate = a.gate_up + row * 2 * a.width;
    const float* up = gate + a.width;
    float* y = a.y + row * a.width;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i)
      y[i] = gate[i] * Sigmoid(gate[i]) * up[i];
  }
}

inline void SwiGluBackwardRows(const SwiGluRows& a, int64_t begin,
                               int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* gate = a.gate_up + row * 2 * a.width;
    const float* up = gate + a.width;
    const float* dy = a.dy + row * a.width;
    float* dgate = a.dgate_up + row * 2 * a.width;
    float* dup = dgate + a.width;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) {
      const float sigmoid = Sigmoid(gate[i]);
      const float silu = gate[i] * sigmoid;
      dup[i] = dy[i] * silu;
      dgate[i] = dy[i] * up[i] * (sigmoid + silu * (1.0F - sigmoid));
    }
  }
}

// In vectors by hand: clang does not vectorise a maximum that must mind NaN.
inline float RowMaximum(const float* row, int64_t width) {
  float maximum = row[0];
  Vector best = maximum - Vector{};
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    const Vector x = *reinterpret_cast<const Vector*>(row + i);
    best = x > best ? x : best;
  }
  for (; i < width; ++i) maximum = Maximum(maximum, row[i]);
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    maximum = Maximum(maximum, best[lane]);
  }
  return maximum;
}

// With z = logits / T, m its maximum and S = sum e^(z - m):
// logsumexp = m + log S; entropy = logsumexp - sum z e^(z - m) / S.
inline void LogSoftmaxForwardRows(const LogSoftmaxForward& a, int64_t begin,
                                  int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* logits = a.logits + row * a.width;
    const float maximum = RowMaximum(logits, a.width);
    float sum = 0;
    float weighted = 0;
#pragma omp simd reduction(+ : sum, weighted)
    for (int64_t i = 0; i < a.width; ++i) {
      const float z = (logits[i] - maximum) * a.inverse_temperature;
      const float e = Exp(z);
      sum += e;
      weighted += z * e;
    }
    const float log_sum = __builtin_logf(sum);
    const float target =
        (logits[a.targets[row]] - maximum) * a.inverse_temperature;
    a.logprob[row] = target - log_sum;
    a.entropy[row] = log_sum - weighted / sum;
    a.normaliser[row] = maximum * a.inverse_temperature + log_sum;
  }
}

// With p = softmax(z): d logprob / dz = 1[target] - p;
// d entropy / dz = -p (log p + entropy).
inline void LogSoftmaxBackwardRow(const LogSoftmaxBackward& a, int64_t row) {
  float* logits = a.logits + row * a.width;
  const float normaliser = a.normaliser[row];
  const float by_logprob = a.dlogprob[row] * a.inverse_temperature;
  if (a.dentropy == nullptr) {
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) {
      logits[i] =
          -by_logprob * Exp(logits[i] * a.inverse_temperature - normaliser);
    }
  } else {
    const float entropy = a.entropy[row];
    const float by_entropy = a.dentropy[row] * a.inverse_temperature;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) {
      const float log_p = logits[i] * a.inverse_temperature - normaliser;
      logits[i] = -Exp(log_p) * (by_logprob + by_entropy * (log_p + entropy));
    }
  }
  logits[a.targets[row]] += by_logprob;
}

inline void LogSoftmaxBackwardRows(const LogSoftmaxBackward& a, int64_t begin,
                                   int64_t end) {
  for (int64_t row = begin; row < end; ++row) LogSoftmaxBackwardRow(a, row);
}

// AdamW, arXiv 1711.05101, Algorithm 2; epsilon is added to the corrected root.
inline void AdamWRange(const AdamWUpdate& a, int64_t begin, int64_t end) {
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const float g = a.gradient[i] * a.gradient_scale;
    const float m = a.beta1 * a.first[i] + (1.0F - a.beta1) * g;
    const float v = a.beta2 * a.second[i] + (1.0F - a.beta2) * g * g;
    a.first[i] = m;
    a.second[i] = v;
    const float root = __builtin_sqrtf(v * a.second_scale) + a.epsilon;
    a.parameter[i] = a.parameter[i] * a.keep - a.step_size * m / root;
  }
}

}  // namespace OPERANT_KERNELS_NAMESPACE
}  // namespace operant

#endif  // OPERANT_COMMON_NN_TRAINING_KERNELS_IMPL_H_
