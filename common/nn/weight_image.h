// All weights of a model as one flat block of host memory: what is read from
// disk, pushed over the wire, and packed by an engine. No LibTorch here.
#ifndef OPERANT_COMMON_NN_WEIGHT_IMAGE_H_
#define OPERANT_COMMON_NN_WEIGHT_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/nn/model_config.h"

namespace operant {

enum class WeightType { kF32, kBf16, kF16 };
int64_t SizeOf(WeightType type);  // bytes of an element

struct WeightTensor {
  std::string name;
  WeightType type = WeightType::kF32;
  std::vector<int64_t> shape;
  uint64_t offset = 0;  // first byte in the image
  uint64_t bytes = 0;
};

// A movable owner of the block; 64-byte aligned. Reading from several threads
// is fine; writing is for its single owner before it is shared (share it as
// shared_ptr<const WeightImage>).
class WeightImage {
 public:
  // Uninitialised memory with tensors of `type` laid out in canonical order
  // (ExpectedTensors), without holes.
  static WeightImage ForModel(const ModelConfig& config, WeightType type);
  // Lays out the given tensors (offset and bytes are computed).
  explicit WeightImage(std::vector<WeightTensor> tensors);

  std::span<const WeightTensor> tensors() const { return tensors_; }
  // Null if there is none of that name.
  const WeightTensor* Find(std::string_view name) const;
  std::span<std::byte> bytes() { return {data_.get(), size_}; }
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }
  std::byte* data(const WeightTensor& t) { return data_.get() + t.offset; }
  const std::byte* data(const WeightTensor& t) const {
    return data_.get() + t.offset;
  }
  // The elements of a tensor as fp32, converted if it is stored otherwise.
  std::vector<float> AsFloats(const WeightTensor& t) const;

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::vector<WeightTensor> tensors_;
  size_t size_ = 0;
  std::unique_ptr<std::byte, Free> data_;
};

// A Hugging Face folder in memory.
struct HfModel {
  ModelConfig config;
  std::string config_json;                     // byte for byte
  std::shared_ptr<const WeightImage> weights;  // fp32, canonical order
};

// Reads config.json and model.safetensors (or the sharded index), converting
// fp16 and bf16 to fp32. Strict: every expected tensor, of the expected shape,
// and no other (a tied model may also carry lm_head.weight, equal to the
// embedding or ignored; rotary inv_freq buffers are ignored). Errors: NotFound
// (names the file and what to do), DataLoss, Unimplemented.
absl::StatusOr<HfModel> LoadHfModel(const std::string& folder);

// Writes `weights` (fp32 image) as model.safetensors in `type`, config.json
// (kept byte for byte but for the keys we own: torch_dtype/dtype), and copies
// the tokenizer's and generation files from `copy_from` when not empty.
// Atomic per file; fsynced.
absl::Status SaveHfModel(const std::string& folder, const ModelConfig& config,
                         const std::string& config_json,
                         const WeightImage& weights, WeightType type,
                         const std::string& copy_from);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_WEIGHT_IMAGE_H_
