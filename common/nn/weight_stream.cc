#include "common/nn/weight_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/nn/weight_frame.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace operant {
namespace {

// Bytes digested twice (chunk and tensor) before moving on: fits a core's
// cache, so memory is read once.
constexpr size_t kDigestBlock = 128 << 10;

v1::DataType ToProto(WeightType type) {
  switch (type) {
    case WeightType::kF32:
      return v1::DATA_TYPE_F32;
    case WeightType::kBf16:
      return v1::DATA_TYPE_BF16;
    case WeightType::kF16:
      return v1::DATA_TYPE_F16;
  }
  return v1::DATA_TYPE_UNSPECIFIED;
}

std::vector<uint64_t> TensorSizes(const WeightImage& image) {
  std::vector<uint64_t> sizes;
  for (const WeightTensor& tensor : image.tensors()) {
    sizes.push_back(tensor.bytes);
  }
  return sizes;
}

// One pass over the image: the digests of its chunks and of its tensors.
std::vector<std::string> DigestChunks(const WeightImage& image,
                                      size_t chunk_bytes,
                                      TensorDigester& tensors) {
  std::vector<std::string> digests;
  std::span<const std::byte> rest = image.bytes();
  while (!rest.empty()) {
    std::span<const std::byte> chunk =
        rest.first(std::min(chunk_bytes, rest.size()));
    rest = rest.subspan(chunk.size());
    Xxh3Stream digest;
    while (!chunk.empty()) {
      const auto block = chunk.first(std::min(kDigestBlock, chunk.size()));
      digest.Update(block.data(), block.size());
      tensors.Update(block.data(), block.size());
      chunk = chunk.subspan(block.size());
    }
    digests.push_back(digest.Finish());
  }
  return digests;
}

void AddTensors(const WeightImage& image,
                const std::vector<std::string>& digests,
                v1::WeightManifest& manifest) {
  for (size_t i = 0; i < digests.size(); ++i) {
    const WeightTensor& tensor = image.tensors()[i];
    v1::TensorSpec& spec = *manifest.add_tensors();
    spec.set_name(tensor.name);
    spec.set_dtype(ToProto(tensor.type));
    spec.mutable_shape()->Add(tensor.shape.begin(), tensor.shape.end());
    spec.set_offset(tensor.offset);
    spec.set_bytes(tensor.bytes);
    spec.set_xxh3_128(digests[i]);
  }
}

absl::Status CheckSealable(const WeightImage* image, uint32_t chunk_bytes) {
  if (image == nullptr || image->bytes().empty()) {
    return absl::InvalidArgumentError(
        "seal weights: the image is empty, expected the tensors of a model; "
        "load or initialise the model first");
  }
  if (chunk_bytes < kMinChunkBytes || chunk_bytes > kMaxChunkBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "seal weights: chunk_bytes=", chunk_bytes, ", expected ",
        kMinChunkBytes, " to ", kMaxChunkBytes, "; use the default"));
  }
  return absl::OkStatus();
}

// A slice of the image's own memory, which keeps `weights` alive.
grpc::Slice PayloadSlice(const std::shared_ptr<const SealedWeights>& weights,
                         uint64_t offset, uint64_t bytes) {
  using Owner = std::shared_ptr<const SealedWeights>;
  // gRPC only reads a slice; its interface predates const.
  void* data = const_cast<std::byte*>(weights->image->bytes().data() + offset);
  return grpc::Slice(
      data, bytes, [](void* owner) { delete static_cast<Owner*>(owner); },
      new Owner(weights));
}

grpc::ByteBuffer ChunkFrame(const std::shared_ptr<const SealedWeights>& weights,
                            uint32_t index) {
  const v1::WeightManifest& manifest = weights->manifest;
  const uint64_t offset = uint64_t{index} * manifest.chunk_bytes();
  const uint64_t bytes = std::min<uint64_t>(manifest.chunk_bytes(),
                                            manifest.total_bytes() - offset);
  v1::ChunkHeader header;
  header.set_policy_version(manifest.policy_version());
  header.set_index(index);
  header.set_offset(offset);
  header.set_bytes(static_cast<uint32_t>(bytes));
  header.set_xxh3_128(weights->chunk_digests[index]);
  return EncodeChunk(header, PayloadSlice(weights, offset, bytes));
}

}  // namespace

std::string ManifestSha256(const v1::WeightManifest& manifest) {
  v1::WeightManifest identity = manifest;
  identity.set_policy_version(0);
  std::string text;
  {
    google::protobuf::io::StringOutputStream stream(&text);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    identity.SerializeToCodedStream(&out);
  }
  return Sha256(text);
}

absl::StatusOr<std::shared_ptr<const SealedWeights>> SealWeights(
    std::shared_ptr<const WeightImage> image, uint64_t policy_version,
    const std::string& model_digest, uint32_t chunk_bytes) {
  RETURN_IF_ERROR(CheckSealable(image.get(), chunk_bytes));
  auto sealed = std::make_shared<SealedWeights>();
  TensorDigester tensors(TensorSizes(*image));
  sealed->chunk_digests = DigestChunks(*image, chunk_bytes, tensors);
  v1::WeightManifest& manifest = sealed->manifest;
  manifest.set_policy_version(policy_version);
  manifest.set_total_bytes(image->bytes().size());
  manifest.set_chunk_bytes(chunk_bytes);
  manifest.set_model_digest(model_digest);
  AddTensors(*image, tensors.digests(), manifest);
  sealed->manifest_sha256 = ManifestSha256(manifest);
  sealed->image = std::move(image);
  return sealed;
}

bool WeightFrameWriter::Next(grpc::ByteBuffer& frame) {
  if (done()) return false;
  const size_t index = next_++;
  v1::WeightFrame head;
  if (index == 0) {
    *head.mutable_manifest() = weights_->manifest;
  } else if (index <= weights_->chunk_digests.size()) {
    frame = ChunkFrame(weights_, static_cast<uint32_t>(index - 1));
    return true;
  } else {
    head.mutable_commit()->set_policy_version(
        weights_->manifest.policy_version());
    head.mutable_commit()->set_manifest_sha256(weights_->manifest_sha256);
  }
  frame = EncodeFrame(head);
  return true;
}

}  // namespace operant
