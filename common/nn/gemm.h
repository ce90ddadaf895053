// fp32 products with weights that were packed once: C = A . W^T.
//
// Batch invariance: C[i, j] is the same, bit for bit, whatever other rows and
// columns are computed with it.
#ifndef OPERANT_COMMON_NN_GEMM_H_
#define OPERANT_COMMON_NN_GEMM_H_

#include <cstdint>
#include <memory>
#include <span>

#include "common/nn/cpu_kernels.h"

namespace operant {

// A 64-byte aligned block of floats, zero at first. Memory is committed as it
// is touched. Throws std::bad_alloc.
class FloatBuffer {
 public:
  FloatBuffer() = default;
  explicit FloatBuffer(int64_t size);
  float* data() { return data_; }
  const float* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  std::unique_ptr<void, Free> block_;
  float* data_ = nullptr;  // in block_
  int64_t size_ = 0;
};

// W [N, K] and an optional bias [N] in the layout of one kernel table: blocks
// of kDepthBlock columns of W, each a row of panels. Immutable once packed.
class PackedMatrix {
 public:
  // An empty matrix to fill with PackRows.
  PackedMatrix(const CpuKernels& kernels, int64_t n, int64_t k);

  // Copies `rows` of W, row-major [*, K], to rows first_row... of this one:
  // several matrices can be packed side by side (q, k and v).
  void PackRows(int64_t first_row, std::span<const float> rows);
  // The same for the bias; without a call there is none.
  void PackBias(int64_t first_row, std::span<const float> bias);

  int64_t n() const { return n_; }
  int64_t k() const { return k_; }

 private:
  friend void Multiply(const PackedMatrix& w, const float* a, int64_t rows,
                       float* c, bool add);

  const CpuKernels* kernels_;
  int64_t n_;
  int64_t k_;
  int64_t panels_;
  FloatBuffer data_;
  FloatBuffer bias_;  // padded to whole panels; empty if there is none
};

// C [rows, N] = A [rows, K] . W^T + bias, or C += that if `add`. Row-major,
// dense. C must not overlap A.
void Multiply(const PackedMatrix& w, const float* a, int64_t rows, float* c,
              bool add);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_GEMM_H_
