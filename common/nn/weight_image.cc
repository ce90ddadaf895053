#include "common/nn/weight_image.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "common/nn/float_convert.h"

namespace operant {
namespace {

constexpr size_t kAlignment = 64;

std::vector<WeightTensor> TensorsOf(const ModelConfig& config,
                                    WeightType type) {
  std::vector<WeightTensor> tensors;
  for (TensorShape& expected : ExpectedTensors(config)) {
    WeightTensor& tensor = tensors.emplace_back();
    tensor.name = std::move(expected.name);
    tensor.type = type;
    tensor.shape = std::move(expected.shape);
  }
  return tensors;
}

// 16-bit values need not be aligned in a block of mixed types.
uint16_t Load16(const std::byte* data, size_t index) {
  uint16_t bits;
  std::memcpy(&bits, data + 2 * index, sizeof(bits));
  return bits;
}

}  // namespace

int64_t SizeOf(WeightType type) { return type == WeightType::kF32 ? 4 : 2; }

WeightImage WeightImage::ForModel(const ModelConfig& config, WeightType type) {
  return WeightImage(TensorsOf(config, type));
}

WeightImage::WeightImage(std::vector<WeightTensor> tensors)
    : tensors_(std::move(tensors)) {
  for (WeightTensor& tensor : tensors_) {
    tensor.offset = size_;
    tensor.bytes = SizeOf(tensor.type);
    for (const int64_t size : tensor.shape) tensor.bytes *= size;
    size_ += tensor.bytes;
  }
  const size_t rounded = (size_ + kAlignment - 1) / kAlignment * kAlignment;
  data_.reset(static_cast<std::byte*>(
      std::aligned_alloc(kAlignment, std::max(rounded, kAlignment))));
  if (data_ == nullptr) throw std::bad_alloc();
}

void WeightImage::Free::operator()(std::byte* p) const { std::free(p); }

const WeightTensor* WeightImage::Find(std::string_view name) const {
  const auto it = std::find_if(
      tensors_.begin(), tensors_.end(),
      [name](const WeightTensor& tensor) { return tensor.name == name; });
  return it == tensors_.end() ? nullptr : &*it;
}

std::vector<float> WeightImage::AsFloats(const WeightTensor& tensor) const {
  std::vector<float> floats(tensor.bytes / SizeOf(tensor.type));
  const std::byte* from = data(tensor);
  if (tensor.type == WeightType::kF32) {
    std::memcpy(floats.data(), from, tensor.bytes);
    return floats;
  }
  const auto convert = tensor.type == WeightType::kBf16 ? FromBf16 : FromF16;
  for (size_t i = 0; i < floats.size(); ++i) {
    floats[i] = convert(Load16(from, i));
  }
  return floats;
}

}  // namespace operant
