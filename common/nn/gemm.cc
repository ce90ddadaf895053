#include "common/nn/gemm.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace operant {

FloatBuffer::FloatBuffer(int64_t size) : size_(size) {
  constexpr size_t kAlignment = 64;
  size_t space = static_cast<size_t>(size) * sizeof(float) + kAlignment;
  block_.reset(std::calloc(space, 1));
  if (block_ == nullptr) throw std::bad_alloc();
  void* aligned = block_.get();
  std::align(kAlignment, space - kAlignment, aligned, space);
  data_ = static_cast<float*>(aligned);
}

void FloatBuffer::Free::operator()(void* p) const { std::free(p); }

PackedMatrix::PackedMatrix(const CpuKernels& kernels, int64_t n, int64_t k)
    : kernels_(&kernels),
      n_(n),
      k_(k),
      panels_((n + kernels.panel_width - 1) / kernels.panel_width),
      data_(panels_ * kernels.panel_width * k) {}

void PackedMatrix::PackRows(int64_t first_row, std::span<const float> rows) {
  const int64_t width = kernels_->panel_width;
  const int64_t count = static_cast<int64_t>(rows.size()) / k_;
  for (int64_t start = 0; start < k_; start += kDepthBlock) {
    const int64_t depth = std::min<int64_t>(kDepthBlock, k_ - start);
    float* block = data_.data() + start * panels_ * width;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = first_row + i;
      float* out = block + row / width * depth * width + row % width;
      const float* in = rows.data() + i * k_ + start;
      for (int64_t d = 0; d < depth; ++d) out[d * width] = in[d];
    }
  }
}

void PackedMatrix::PackBias(int64_t first_row, std::span<const float> bias) {
  if (bias_.size() == 0) bias_ = FloatBuffer(panels_ * kernels_->panel_width);
  std::copy(bias.begin(), bias.end(), bias_.data() + first_row);
}

void Multiply(const PackedMatrix& w, const float* a, int64_t rows, float* c,
              bool add) {
  const int64_t width = w.kernels_->panel_width;
  PanelProduct p{.a_stride = w.k_, .c_stride = w.n_, .rows = rows};
  for (int64_t start = 0; start < w.k_; start += kDepthBlock) {
    p.depth = std::min<int64_t>(kDepthBlock, w.k_ - start);
    p.a = a + start;
    p.add = add || start > 0;
    const bool biased = start == 0 && w.bias_.size() > 0;
    for (int64_t panel = 0; panel < w.panels_; ++panel) {
      const int64_t column = panel * width;
      p.panel = w.data_.data() + start * w.panels_ * width + column * p.depth;
      p.c = c + column;
      p.columns = std::min(width, w.n_ - column);
      p.bias = biased ? w.bias_.data() + column : nullptr;
      w.kernels_->panel_product(p);
    }
  }
}

}  // namespace operant
