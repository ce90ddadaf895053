// Fused fp32 loops of the training module on a CPU: what LibTorch would do in
// many passes over memory. Plain pointers, no LibTorch; the same source is
// compiled for several instruction sets and chosen at run time.
//
// Rows are contiguous. D hidden size, F intermediate size, H query heads, K
// key/value heads, Dh head_dim, V vocabulary. No function shares state; callers
// split rows or sequences over threads.
#ifndef OPERANT_COMMON_NN_TRAINING_KERNELS_H_
#define OPERANT_COMMON_NN_TRAINING_KERNELS_H_

#include <cstdint>

namespace operant {

// y = sum * rsqrt(mean(sum^2) + epsilon) * weight, row by row, where sum is x,
// or x + delta: a residual stream's addition rides along (RMSNorm, arXiv
// 1910.07467, Eq. 4).
struct RmsNormForward {
  const float* x;       // [N, D]
  const float* delta;   // [N, D], or null
  float* sum;           // [N, D] x + delta; not written without delta
  const float* weight;  // [D]
  float* y;             // [N, D]
  float* scale;         // [N] rsqrt(mean(sum^2) + epsilon), for backward
  int64_t width;        // D
  float epsilon;
};

struct RmsNormBackward {
  const float* sum;     // [N, D]
  const float* weight;  // [D]
  const float* scale;   // [N]
  const float* dy;      // [N, D]
  const float* dsum;    // [N, D] gradient that reaches sum directly, or null
  float* dx;            // [N, D] of x and of delta alike
  float* dweight;       // [D], added to
  int64_t width;        // D
};

// y = silu(gate) * up (SwiGLU, arXiv 2002.05202, Eq. 6).
struct SwiGluRows {
  const float* gate_up;  // [N, 2 F]: gate, then up
  float* y;              // [N, F]; forward
  const float* dy;       // [N, F]; backward
  float* dgate_up;       // [N, 2 F]; backward
  int64_t width;         // F
};

// Causal attention over packed sequences, rotary embedding included
// ("rotate half": dimension i turns with i + Dh / 2).
struct AttentionRows {
  const float* qkv;   // [N, (H + 2 K) Dh]: query, key, value heads
  const float* cos;   // [positions, Dh / 2]
  const float* sin;   // [positions, Dh / 2]
  float* out;         // [N, H Dh]; forward
  const float* dout;  // [N, H Dh]; backward
  float* dqkv;        // [N, (H + 2 K) Dh]; backward
  int64_t heads;      // H
  int64_t kv_heads;   // K
  int64_t head_dim;   // Dh
};

// The head's softmax over rows of logits, temperature divided out.
struct LogSoftmaxForward {
  const float* logits;     // [N, V]
  const int64_t* targets;  // [N]
  float* logprob;          // [N] log softmax(logits / T)[target]
  float* entropy;          // [N] of softmax(logits / T), nats
  float* normaliser;       // [N] logsumexp(logits / T), for backward
  int64_t width;           // V
  float inverse_temperature;
};

// logits <- d loss / d logits, in place.
struct LogSoftmaxBackward {
  float* logits;            // [N, V]
  const int64_t* targets;   // [N]
  const float* normaliser;  // [N]
  const float* entropy;     // [N]
  const float* dlogprob;    // [N]
  const float* dentropy;    // [N], or null
  int64_t width;            // V
  float inverse_temperature;
};

// One AdamW update of a run of the flat buffer (see adamw.h).
struct AdamWUpdate {
  float* parameter;
  const float* gradient;
  float* first;
  float* second;
  float gradient_scale;  // clipping
  float beta1;
  float beta2;
  float step_size;     // learning rate / (1 - beta1^t)
  float second_scale;  // 1 / (1 - beta2^t)
  float epsilon;
  float keep;  // 1 - learning rate * weight decay
};

struct TrainingKernels {
  const char* instruction_set;
  // Rows [begin, end).
  void (*rms_norm_forward)(const RmsNormForward&, int64_t begin, int64_t end);
  void (*rms_norm_backward)(const RmsNormBackward&, int64_t begin, int64_t end);
  void (*swiglu_forward)(const SwiGluRows&, int64_t begin, int64_t end);
  void (*swiglu_backward)(const SwiGluRows&, int64_t begin, int64_t end);
  void (*log_softmax_forward)(const LogSoftmaxForward&, int64_t begin,
                              int64_t end);
  void (*log_softmax_backward)(const LogSoftmaxBackward&, int64_t begin,
                               int64_t end);
  // The sequence in rows [begin, end). `scratch` has at least
  // attention_scratch(args, longest sequence) floats.
  int64_t (*attention_scratch)(const AttentionRows&, int64_t length);
  void (*attention_forward)(const AttentionRows&, int64_t begin, int64_t end,
                            float* scratch);
  void (*attention_backward)(const AttentionRows&, int64_t begin, int64_t end,
                             float* scratch);
  // Elements [begin, end).
  void (*adamw)(const AdamWUpdate&, int64_t begin, int64_t end);
};

// The best set that this processor runs. Constant for the process.
const TrainingKernels& ChooseTrainingKernels();

// One table per instruction set; null where the build's architecture lacks it.
const TrainingKernels& TrainingKernelsPortable();
const TrainingKernels* TrainingKernelsAvx2();
const TrainingKernels* TrainingKernelsAvx512();

}  // namespace operant

#endif  // OPERANT_COMMON_NN_TRAINING_KERNELS_H_
