// The arithmetic of the CPU engine as a table of functions, one table for each
// instruction set. The same templates (kernel_*.inc) are compiled once per
// table over that set's vector type (simd_*.h); the table is chosen at run time
// by what the processor has.
//
// Batch invariance: every function computes an output from its own inputs in an
// order that depends on sizes along the summed axis alone, never on how many
// rows there are or where a row lies.
//
// Files that are compiled for an instruction set use nothing from the standard
// library and keep everything in an anonymous namespace: an inline function
// shared with other files could otherwise be linked in its AVX form into code
// that runs on a plain processor.
#ifndef OPERANT_COMMON_NN_CPU_KERNELS_H_
#define OPERANT_COMMON_NN_CPU_KERNELS_H_

#include <cstdint>
#include <span>

namespace operant {

// Cached positions are kept in blocks of this many: one cache line of keys.
inline constexpr int kBlockPositions = 16;
// Terms of a dot product that are summed in registers before they are added to
// the output; a panel of this depth stays in the L1 cache.
inline constexpr int kDepthBlock = 256;
// exp() sums are kept for runs of this many numbers (see exp_sums).
inline constexpr int kSumRun = 64;

// C[rows, columns] = A[rows, depth] . W^T for one panel of W: `panel` holds
// depth x panel_width numbers, the columns of one depth side by side.
struct PanelProduct {
  const float* a;
  int64_t a_stride;  // floats between rows of A
  const float* panel;
  int64_t depth;  // at most kDepthBlock
  float* c;
  int64_t c_stride;
  int64_t rows;
  int64_t columns;    // to write: 1..panel_width
  const float* bias;  // of the panel's columns; null: none
  bool add;           // C += instead of C =
};

// One query head against one key/value head of a sequence. A block holds keys
// [head_dim][kBlockPositions], then values [kBlockPositions][value_stride].
struct HeadAttention {
  const float* query;  // [head_dim], rotated and scaled
  const float* block;  // of positions 0..15
  int64_t block_stride;
  int64_t positions;  // to attend to: 0..positions-1
  int64_t head_dim;
  int64_t value_stride;
  float* scores;  // scratch, positions rounded up to whole blocks
  float* out;     // [head_dim]
};

struct Range {
  float low;
  float high;
};

// e^((x - max) * inverse_t)
struct ExpScale {
  float max;
  float inverse_t;
};

// What is needed of softmax(x / T) over a row: s = sum e^((x - max) / T).
struct SoftmaxSums {
  float max;
  float sum;       // s
  float weighted;  // sum e^((x - max) / T) (x - max) / T
};

struct CpuKernels {
  const char* name;  // "avx512", "avx2", "portable"
  int panel_width;
  bool (*supported)();

  void (*panel_product)(const PanelProduct&);
  void (*attend)(const HeadAttention&);
  // out = x / sqrt(mean(x^2) + eps) * weight
  void (*rms_norm)(const float* x, const float* weight, int64_t n, float eps,
                   float* out);
  // Rotates the two halves of a head in place, times `scale`: cos and sin
  // [head_dim / 2].
  void (*rotate)(float* head, const float* cos, const float* sin,
                 int64_t head_dim, float scale);
  // out = gate * sigmoid(gate) * up; may be in place of gate.
  void (*swiglu)(const float* gate, const float* up, int64_t n, float* out);
  // Smallest and largest of n >= 1 numbers; NaN may be missed.
  Range (*range)(const float* x, int64_t n);
  // out = e^((x - max) * inverse_t), x <= max, and, for each run of kSumRun
  // (the last may be shorter), its sum. NaN comes through.
  void (*exp_sums)(const float* x, int64_t n, ExpScale scale, float* out,
                   float* sums);
  SoftmaxSums (*softmax_sums)(const float* x, int64_t n, float inverse_t);
  float (*dot)(const float* x, const float* y, int64_t n);
};

// The tables that this build has and this processor runs, best first; the last
// is portable.
std::span<const CpuKernels* const> AvailableCpuKernels();
// The first of them, or the one that OPERANT_CPU_KERNELS names (read once; a
// name that is not available is ignored).
const CpuKernels& BestCpuKernels();

}  // namespace operant

#endif  // OPERANT_COMMON_NN_CPU_KERNELS_H_
