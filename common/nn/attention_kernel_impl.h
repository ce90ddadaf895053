// The attention loops of training_kernels.h and the table of all loops; written
// on the terms of training_kernels_impl.h.
//
// Short sequences are the case that matters: everything of one head lives in a
// few KiB of scratch. All six products of forward and backward have one form,
// out = sum_k a[k] B[k, :], so there is one inner loop.
#ifndef OPERANT_COMMON_NN_ATTENTION_KERNEL_IMPL_H_
#define OPERANT_COMMON_NN_ATTENTION_KERNEL_IMPL_H_

#include <cstdint>

#include "common/nn/training_kernels_impl.h"

namespace operant {
namespace OPERANT_KERNELS_NAMESPACE {

inline int64_t RoundUp(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// A vector of `terms` coefficients, `stride` floats apart.
struct Coefficients {
  const float* data;
  int64_t stride;
  int64_t terms;
};

// out[0, columns) (+)= sum_k a[k] * b[k * columns + ...]; columns is a multiple
// of kLanes.
template <bool kAdd>
inline void Combine(const Coefficients& a, const float* b, int64_t columns,
                    float* out) {
  constexpr int64_t kBlock = 4;
  int64_t column = 0;
  for (; column + kBlock * kLanes <= columns; column += kBlock * kLanes) {
    Vector sum[kBlock] = {};
    for (int64_t k = 0; k < a.terms; ++k) {
      const float c = a.data[k * a.stride];
      const float* row = b + k * columns + column;
      for (int64_t i = 0; i < kBlock; ++i) {
        sum[i] += c * *reinterpret_cast<const Vector*>(row + i * kLanes);
      }
    }
    for (int64_t i = 0; i < kBlock; ++i) {
      auto* to = reinterpret_cast<Vector*>(out + column + i * kLanes);
      *to = kAdd ? *to + sum[i] : sum[i];
    }
  }
  for (; column < columns; column += kLanes) {
    Vector sum = {};
    for (int64_t k = 0; k < a.terms; ++k) {
      sum += a.data[k * a.stride] *
             *reinterpret_cast<const Vector*>(b + k * columns + column);
    }
    auto* to = reinterpret_cast<Vector*>(out + column);
    *to = kAdd ? *to + sum : sum;
  }
}

// Scratch of one sequence: L its length, Lp and Dp lengths padded to kLanes,
// padding zero. Backward's parts follow forward's.
struct HeadScratch {
  HeadScratch(float* base, int64_t length, int64_t head_dim)
      : L(length), Dh(head_dim), Lp(RoundUp(length)), Dp(RoundUp(head_dim)) {
    float* next = base;
    const auto take = [&next](int64_t floats) {
      float* part = next;
      next += floats;
      return part;
    };
    q = take(L * Dp);
    k = take(L * Dp);
    v = take(L * Dp);
    k_t = take(Dp * Lp);
    v_t = take(Dp * Lp);
    p = take(L * Lp);
    ds = take(L * Lp);
    dout = take(L * Dp);
    dq = take(L * Dp);
    dk = take(L * Dp);
    dv = take(L * Dp);
  }

  int64_t L, Dh, Lp, Dp;
  float* q;     // [L, Dp] rotated, divided by sqrt(Dh)
  float* k;     // [L, Dp] rotated
  float* v;     // [L, Dp]
  float* k_t;   // [Dp, Lp]
  float* v_t;   // [Dp, Lp]
  float* p;     // [L, Lp] probabilities
  float* ds;    // [L, Lp] gradient of the scores
  float* dout;  // [L, Dp]
  float* dq;    // [L, Dp] before the rotation is undone
  float* dk;    // [L, Dp]
  float* dv;    // [L, Dp]
};

// What HeadScratch takes: q k v dout dq dk dv, k_t v_t, p ds.
inline int64_t AttentionScratchFloats(const AttentionRows& a, int64_t length) {
  const int64_t padded_length = RoundUp(length);
  const int64_t padded_dim = RoundUp(a.head_dim);
  return 7 * length * padded_dim + 2 * padded_dim * padded_length +
         2 * length * padded_length;
}

inline void Clear(float* data, int64_t floats) {
  for (int64_t i = 0; i < floats; ++i) data[i] = 0;
}

// One head of a packed [N, heads * Dh] array, first row of the sequence.
struct HeadRows {
  const float* data;
  int64_t stride;
};

inline void CopyIn(const HeadRows& from, const HeadScratch& s, float* to) {
  for (int64_t row = 0; row < s.L; ++row) {
    const float* x = from.data + row * from.stride;
    float* y = to + row * s.Dp;
    for (int64_t i = 0; i < s.Dh; ++i) y[i] = x[i];
    for (int64_t i = s.Dh; i < s.Dp; ++i) y[i] = 0;
  }
}

inline void CopyOut(const float* from, const HeadScratch& s, float* to,
                    int64_t stride) {
  for (int64_t row = 0; row < s.L; ++row) {
    for (int64_t i = 0; i < s.Dh; ++i) {
      to[row * stride + i] = from[row * s.Dp + i];
    }
  }
}

// Turns rows by their position's angles, times `scale`.
inline void RotateIn(const HeadRows& from, const AttentionRows& a, float scale,
                     const HeadScratch& s, float* to) {
  const int64_t half = s.Dh / 2;
  for (int64_t row = 0; row < s.L; ++row) {
    const float* x = from.data + row * from.stride;
    const float* cos = a.cos + row * half;
    const float* sin = a.sin + row * half;
    float* y = to + row * s.Dp;
#pragma omp simd
    for (int64_t i = 0; i < half; ++i) {
      y[i] = (x[i] * cos[i] - x[i + half] * sin[i]) * scale;
      y[i + half] = (x[i + half] * cos[i] + x[i] * sin[i]) * scale;
    }
    for (int64_t i = s.Dh; i < s.Dp; ++i) y[i] = 0;
  }
}

// The transpose of RotateIn: turns gradients back.
inline void RotateOut(const float* from, const AttentionRows& a, float scale,
                      const HeadScratch& s, float* to, int64_t stride) {
  const int64_t half = s.Dh / 2;
  for (int64_t row = 0; row < s.L; ++row) {
    const float* x = from + row * s.Dp;
    const float* cos = a.cos + row * half;
    const float* sin = a.sin + row * half;
    float* y = to + row * stride;
#pragma omp simd
    for (int64_t i = 0; i < half; ++i) {
      y[i] = (x[i] * cos[i] + x[i + half] * sin[i]) * scale;
      y[i + half] = (x[i + half] * cos[i] - x[i] * sin[i]) * scale;
    }
  }
}

inline void Transpose(const float* from, const HeadScratch& s, float* to) {
  Clear(to, s.Dp * s.Lp);
  for (int64_t row = 0; row < s.L; ++row) {
    for (int64_t i = 0; i < s.Dh; ++i)
      to[i * s.Lp + row] = from[row * s.Dp + i];
  }
}

// Floats of a row of qkv, and where each kind of head starts in it.
inline int64_t QkvStride(const AttentionRows& a) {
  return (a.heads + 2 * a.kv_heads) * a.head_dim;
}
inline int64_t KeyOffset(const AttentionRows& a, int64_t kv_head) {
  return (a.heads + kv_head) * a.head_dim;
}
inline int64_t ValueOffset(const AttentionRows& a, int64_t kv_head) {
  return (a.heads + a.kv_heads + kv_head) * a.head_dim;
}

inline void LoadKeysAndValues(const AttentionRows& a, int64_t kv_head,
                              int64_t begin, const HeadScratch& s) {
  const int64_t stride = QkvStride(a);
  const float* row = a.qkv + begin * stride;
  RotateIn({row + KeyOffset(a, kv_head), stride}, a, 1.0F, s, s.k);
  CopyIn({row + ValueOffset(a, kv_head), stride}, s, s.v);
  Transpose(s.k, s, s.k_t);
}

// Row `row` of softmax(q k^T) under the causal mask; zero after the diagonal.
inline void ProbabilityRow(const HeadScratch& s, int64_t row) {
  float* p = s.p + row * s.Lp;
  Combine<false>({s.q + row * s.Dp, 1, s.Dh}, s.k_t, s.Lp, p);
  const float maximum = RowMaximum(p, row + 1);
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i <= row; ++i) {
    p[i] = Exp(p[i] - maximum);
    sum += p[i];
  }
  const float inverse = 1.0F / sum;
#pragma omp simd
  for (int64_t i = 0; i <= row; ++i) p[i] *= inverse;
  for (int64_t i = row + 1; i < s.Lp; ++i) p[i] = 0;
}

inline void LoadQueries(const AttentionRows& a, int64_t head, int64_t begin,
                        const HeadScratch& s) {
  const int64_t stride = QkvStride(a);
  const float scale = 1.0F / __builtin_sqrtf(static_cast<float>(a.head_dim));
  RotateIn({a.qkv + begin * stride + head * a.head_dim, stride}, a, scale, s,
           s.q);
}

inline void AttentionForwardSequence(const AttentionRows& a, int64_t begin,
                                     int64_t end, float* scratch) {
  const HeadScratch s(scratch, end - begin, a.head_dim);
  const int64_t group = a.heads / a.kv_heads;
  const int64_t stride = a.heads * a.head_dim;
  for (int64_t head = 0; head < a.heads; ++head) {
    if (head % group == 0) LoadKeysAndValues(a, head / group, begin, s);
    LoadQueries(a, head, begin, s);
    for (int64_t row = 0; row < s.L; ++row) {
      ProbabilityRow(s, row);
      float* mixed = s.dq;  // unused in forward, padded to Dp
      Combine<false>({s.p + row * s.Lp, 1, row + 1}, s.v, s.Dp, mixed);
      float* out = a.out + (begin + row) * stride + head * a.head_dim;
      for (int64_t i = 0; i < s.Dh; ++i) out[i] = mixed[i];
    }
  }
}

// Row `row` of the scores' gradient: ds = p * (dp - sum(p dp)), dp = dout v^T.
inline void ScoreGradientRow(const HeadScratch& s, int64_t row) {
  const float* p = s.p + row * s.Lp;
  float* ds = s.ds + row * s.Lp;
  Combine<false>({s.dout + row * s.Dp, 1, s.Dh}, s.v_t, s.Lp, ds);
  float dot = 0;
#pragma omp simd reduction(+ : dot)
  for (int64_t i = 0; i < s.Lp; ++i) dot += p[i] * ds[i];
#pragma omp simd
  for (int64_t i = 0; i < s.Lp; ++i) ds[i] = p[i] * (ds[i] - dot);
}

inline void BackwardHead(const AttentionRows& a, int64_t head, int64_t begin,
                         const HeadScratch& s) {
  const int64_t out_stride = a.heads * a.head_dim;
  LoadQueries(a, head, begin, s);
  CopyIn({a.dout + begin * out_stride + head * a.head_dim, out_stride}, s,
         s.dout);
  for (int64_t row = 0; row < s.L; ++row) {
    ProbabilityRow(s, row);
    ScoreGradientRow(s, row);
    Combine<false>({s.ds + row * s.Lp, 1, row + 1}, s.k, s.Dp,
                   s.dq + row * s.Dp);
  }
  for (int64_t row = 0; row < s.L; ++row) {
    const int64_t diagonal = row * s.Lp + row;
    const int64_t later = s.L - row;
    Combine<true>({s.ds + diagonal, s.Lp, later}, s.q + row * s.Dp, s.Dp,
                  s.dk + row * s.Dp);
    Combine<true>({s.p + diagonal, s.Lp, later}, s.dout + row * s.Dp, s.Dp,
                  s.dv + row * s.Dp);
  }
  const float scale = 1.0F / __builtin_sqrtf(static_cast<float>(a.head_dim));
  const int64_t stride = QkvStride(a);
  RotateOut(s.dq, a, scale, s, a.dqkv + begin * stride + head * a.head_dim,
            stride);
}

inline void AttentionBackwardSequence(const AttentionRows& a, int64_t begin,
                                      int64_t end, float* scratch) {
  const HeadScratch s(scratch, end - begin, a.head_dim);
  const int64_t group = a.heads / a.kv_heads;
  const int64_t stride = QkvStride(a);
  for (int64_t kv_head = 0; kv_head < a.kv_heads; ++kv_head) {
    LoadKeysAndValues(a, kv_head, begin, s);
    Transpose(s.v, s, s.v_t);
    Clear(s.dk, s.L * s.Dp);
    Clear(s.dv, s.L * s.Dp);
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      BackwardHead(a, head, begin, s);
    }
    float* row = a.dqkv + begin * stride;
    RotateOut(s.dk, a, 1.0F, s, row + KeyOffset(a, kv_head), stride);
    CopyOut(s.dv, s, row + ValueOffset(a, kv_head), stride);
  }
}

constexpr TrainingKernels MakeTable(const char* instruction_set) {
  return {instruction_set,
          RmsNormForwardRows,
          RmsNormBackwardRows,
          SwiGluForwardRows,
          SwiGluBackwardRows,
          LogSoftmaxForwardRows,
          LogSoftmaxBackwardRows,
          AttentionScratchFloats,
          AttentionForwardSequence,
          AttentionBackwardSequence,
          AdamWRange};
}

}  // namespace OPERANT_KERNELS_NAMESPACE
}  // namespace operant

#endif  // OPERANT_COMMON_NN_ATTENTION_KERNEL_IMPL_H_
