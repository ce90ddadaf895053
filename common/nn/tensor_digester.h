// Digests of consecutive tensors, taken from their bytes as they come by.
#ifndef OPERANT_COMMON_NN_TENSOR_DIGESTER_H_
#define OPERANT_COMMON_NN_TENSOR_DIGESTER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/digest.h"

namespace operant {

// Bytes come in pieces of any size; a tensor's digest (XXH3-128) is there as
// soon as its last byte was seen. Not thread-safe.
class TensorDigester {
 public:
  // `sizes`: bytes of each tensor, in order, none of them 0.
  explicit TensorDigester(std::vector<uint64_t> sizes)
      : sizes_(std::move(sizes)), current_(std::make_unique<Xxh3Stream>()) {}

  // Takes the next bytes; what lies beyond the last tensor is ignored.
  void Update(const std::byte* data, size_t bytes) {
    while (bytes > 0 && digests_.size() < sizes_.size()) {
      const size_t part = std::min<uint64_t>(bytes, Missing());
      current_->Update(data, part);
      seen_ += part;
      if (Missing() == 0) NextTensor();
      data += part;
      bytes -= part;
    }
  }

  // Of the tensors seen wholly, in order.
  const std::vector<std::string>& digests() const { return digests_; }

 private:
  uint64_t Missing() const { return sizes_[digests_.size()] - seen_; }
  void NextTensor() {
    digests_.push_back(current_->Finish());
    current_ = std::make_unique<Xxh3Stream>();
    seen_ = 0;
  }

  std::vector<uint64_t> sizes_;
  std::vector<std::string> digests_;
  std::unique_ptr<Xxh3Stream> current_;
  uint64_t seen_ = 0;  // bytes of the current tensor
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_TENSOR_DIGESTER_H_
