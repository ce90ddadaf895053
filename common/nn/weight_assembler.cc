#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "common/nn/weight_frame.h"
#include "common/nn/weight_stream.h"

namespace operant {
namespace {

// Copied, then digested twice from the core's cache.
constexpr size_t kCopyBlock = 128 << 10;

absl::Status OutOfOrder(absl::string_view got, absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("weight stream: frame=", got, ", expected ", expected,
                   "; send manifest, chunks in order, commit"));
}

absl::Status Mismatch(absl::string_view field, absl::string_view got,
                      absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat(
      "weight manifest does not fit the model: ", field, "=", got,
      ", expected ", expected, "; learner and worker must run the same model"));
}

absl::Status Corrupt(absl::string_view what) {
  return absl::DataLossError(absl::StrCat(
      "weights damaged on the way: ", what,
      " does not match its digest, expected equal; push the version again"));
}

absl::StatusOr<WeightType> ImageType(const v1::WeightManifest& manifest) {
  if (manifest.tensors().empty()) return Mismatch("tensors", "0", "some");
  switch (manifest.tensors(0).dtype()) {
    case v1::DATA_TYPE_F32:
      return WeightType::kF32;
    case v1::DATA_TYPE_BF16:
      return WeightType::kBf16;
    default:
      return Mismatch("dtype", v1::DataType_Name(manifest.tensors(0).dtype()),
                      "F32 or BF16 for every tensor");
  }
}

int64_t ElementCount(const TensorShape& tensor) {
  int64_t count = 1;
  for (const int64_t size : tensor.shape) count *= size;
  return count;
}

absl::Status CheckTensor(const v1::TensorSpec& spec,
                         const TensorShape& expected, v1::DataType dtype,
                         uint64_t offset) {
  if (spec.name() != expected.name) {
    return Mismatch("tensor", absl::CEscape(spec.name().substr(0, 256)),
                    expected.name);
  }
  if (!std::ranges::equal(spec.shape(), expected.shape)) {
    return Mismatch(absl::StrCat(spec.name(), " rank or shape"),
                    absl::StrCat(spec.shape_size()),
                    absl::StrJoin(expected.shape, "x"));
  }
  if (spec.dtype() != dtype) {
    return Mismatch(absl::StrCat(spec.name(), " dtype"),
                    absl::StrCat(spec.dtype()), absl::StrCat(dtype));
  }
  if (spec.offset() != offset) {
    return Mismatch(absl::StrCat(spec.name(), " offset"),
                    absl::StrCat(spec.offset()), absl::StrCat(offset));
  }
  return absl::OkStatus();
}

// Every tensor of the model, in canonical order, of one type, without holes:
// then the layout is that of WeightImage::ForModel and nothing in the manifest
// decides an address.
absl::Status CheckTensors(const v1::WeightManifest& manifest,
                          const ModelConfig& model, WeightType type) {
  const std::vector<TensorShape> expected = ExpectedTensors(model);
  if (static_cast<size_t>(manifest.tensors_size()) != expected.size()) {
    return Mismatch("tensors", absl::StrCat(manifest.tensors_size()),
                    absl::StrCat(expected.size()));
  }
  uint64_t offset = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const v1::TensorSpec& spec = manifest.tensors(static_cast<int>(i));
    RETURN_IF_ERROR(
        CheckTensor(spec, expected[i], manifest.tensors(0).dtype(), offset));
    const uint64_t bytes = ElementCount(expected[i]) * SizeOf(type);
    if (spec.bytes() != bytes) {
      return Mismatch(absl::StrCat(spec.name(), " bytes"),
                      absl::StrCat(spec.bytes()), absl::StrCat(bytes));
    }
    offset += bytes;
  }
  if (manifest.total_bytes() == offset) return absl::OkStatus();
  return Mismatch("total_bytes", absl::StrCat(manifest.total_bytes()),
                  absl::StrCat(offset));
}

absl::Status CheckManifest(const v1::WeightManifest& manifest,
                           const ModelConfig& model, WeightType type) {
  if (manifest.chunk_bytes() < kMinChunkBytes ||
      manifest.chunk_bytes() > kMaxChunkBytes) {
    return Mismatch("chunk_bytes", absl::StrCat(manifest.chunk_bytes()),
                    absl::StrCat(kMinChunkBytes, " to ", kMaxChunkBytes));
  }
  const std::string digest = ModelDigest(model);
  if (manifest.model_digest() != digest) {
    return Mismatch("model_digest",
                    absl::CEscape(manifest.model_digest().substr(0, 64)),
                    digest);
  }
  return CheckTensors(manifest, model, type);
}

// Fp32 from the bf16 that came.
void Widen(const WeightImage& from, WeightImage& to) {
  for (size_t i = 0; i < from.tensors().size(); ++i) {
    const std::vector<float> values = from.AsFloats(from.tensors()[i]);
    std::memcpy(to.data(to.tensors()[i]), values.data(),
                values.size() * sizeof(float));
  }
}

absl::StatusOr<std::unique_ptr<WeightImage>> NewImage(const ModelConfig& model,
                                                      WeightType type) {
  try {
    return std::make_unique<WeightImage>(WeightImage::ForModel(model, type));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat("stage weights: parameters=", ParameterCount(model),
                     ", expected memory for them; free memory on this worker"));
  }
}

}  // namespace

WeightAssembler::WeightAssembler(Options options)
    : options_(std::move(options)) {}

absl::Status WeightAssembler::Add(const grpc::ByteBuffer& frame) {
  if (state_ == State::kFailed) return error_;
  error_ = AddFrame(frame);
  if (!error_.ok()) state_ = State::kFailed;
  return error_;
}

absl::Status WeightAssembler::AddFrame(const grpc::ByteBuffer& frame) {
  ParsedFrame parsed;
  RETURN_IF_ERROR(ParseFrame(frame, parsed));
  if (!parsed.frame.has_chunk() && !parsed.payload.empty()) {
    return OutOfOrder("payload without a chunk header", "a chunk");
  }
  switch (parsed.frame.frame_case()) {
    case v1::WeightFrame::kManifest:
      return AddManifest(std::move(*parsed.frame.mutable_manifest()));
    case v1::WeightFrame::kChunk:
      return AddChunk(parsed.frame.chunk(), parsed.payload);
    case v1::WeightFrame::kCommit:
      return AddCommit(parsed.frame.commit());
    case v1::WeightFrame::FRAME_NOT_SET:
      break;
  }
  return OutOfOrder("empty", "manifest, chunk or commit");
}

absl::Status WeightAssembler::AddManifest(v1::WeightManifest manifest) {
  if (state_ != State::kManifest) {
    return OutOfOrder("manifest", "one manifest, first");
  }
  ASSIGN_OR_RETURN(const WeightType type, ImageType(manifest));
  RETURN_IF_ERROR(CheckManifest(manifest, options_.model, type));
  manifest_ = std::move(manifest);
  sha256_ = ManifestSha256(manifest_);
  if (options_.accept) RETURN_IF_ERROR(options_.accept(manifest_, sha256_));
  RETURN_IF_ERROR(Stage(type));
  state_ = State::kChunks;
  return absl::OkStatus();
}

absl::Status WeightAssembler::Stage(WeightType type) {
  std::vector<uint64_t> sizes;
  for (const v1::TensorSpec& spec : manifest_.tensors()) {
    sizes.push_back(spec.bytes());
  }
  tensor_digests_.emplace(std::move(sizes));
  if (type == WeightType::kF32 && options_.reuse) {
    image_ = options_.reuse();
    if (image_ != nullptr &&
        image_->bytes().size() == manifest_.total_bytes()) {
      return absl::OkStatus();
    }
  }
  ASSIGN_OR_RETURN(image_, NewImage(options_.model, type));
  return absl::OkStatus();
}

absl::Status WeightAssembler::CheckChunk(const v1::ChunkHeader& chunk,
                                         const Pieces& payload) const {
  if (state_ != State::kChunks || chunk.index() != next_chunk_ ||
      chunk.offset() != received_ || received_ == manifest_.total_bytes()) {
    return OutOfOrder(
        absl::StrCat("chunk ", chunk.index(), " at ", chunk.offset()),
        absl::StrCat("chunk ", next_chunk_, " at ", received_, " of ",
                     manifest_.total_bytes(), " bytes"));
  }
  if (chunk.policy_version() != manifest_.policy_version()) {
    return OutOfOrder(absl::StrCat("chunk of version ", chunk.policy_version()),
                      absl::StrCat("version ", manifest_.policy_version()));
  }
  size_t bytes = 0;
  for (const std::string_view piece : payload) bytes += piece.size();
  const uint64_t expected = std::min<uint64_t>(
      manifest_.chunk_bytes(), manifest_.total_bytes() - received_);
  if (bytes == expected && chunk.bytes() == bytes) return absl::OkStatus();
  return OutOfOrder(absl::StrCat("chunk of ", bytes, " bytes"),
                    absl::StrCat(expected, " bytes"));
}

absl::Status WeightAssembler::AddChunk(const v1::ChunkHeader& chunk,
                                       const Pieces& payload) {
  RETURN_IF_ERROR(CheckChunk(chunk, payload));
  Xxh3Stream digest;
  for (const std::string_view piece : payload) CopyPiece(piece, digest);
  if (digest.Finish() != chunk.xxh3_128()) {
    return Corrupt(absl::StrCat("chunk ", chunk.index()));
  }
  ++next_chunk_;
  return absl::OkStatus();
}

void WeightAssembler::CopyPiece(std::string_view piece,
                                Xxh3Stream& chunk_digest) {
  while (!piece.empty()) {
    const size_t bytes = std::min(kCopyBlock, piece.size());
    std::byte* const to = image_->bytes().data() + received_;
    std::memcpy(to, piece.data(), bytes);
    chunk_digest.Update(to, bytes);
    tensor_digests_->Update(to, bytes);
    received_ += bytes;
    piece.remove_prefix(bytes);
  }
}

absl::Status WeightAssembler::AddCommit(const v1::Commit& commit) {
  if (state_ != State::kChunks || received_ != manifest_.total_bytes()) {
    return OutOfOrder(absl::StrCat("commit after ", received_, " bytes"),
                      "a commit after the last chunk");
  }
  if (commit.policy_version() != manifest_.policy_version()) {
    return OutOfOrder(
        absl::StrCat("commit of version ", commit.policy_version()),
        absl::StrCat("version ", manifest_.policy_version()));
  }
  if (commit.manifest_sha256() != sha256_) return Corrupt("the manifest");
  RETURN_IF_ERROR(CheckTensorDigests());
  state_ = State::kComplete;
  return absl::OkStatus();
}

absl::Status WeightAssembler::CheckTensorDigests() const {
  const std::vector<std::string>& seen = tensor_digests_->digests();
  for (size_t i = 0; i < seen.size(); ++i) {
    const v1::TensorSpec& spec = manifest_.tensors(static_cast<int>(i));
    if (spec.xxh3_128() != seen[i]) return Corrupt(spec.name());
  }
  return absl::OkStatus();
}

absl::StatusOr<VerifiedWeights> WeightAssembler::Finish() {
  if (state_ == State::kFailed) return error_;
  if (state_ != State::kComplete) {
    return absl::DataLossError(absl::StrCat(
        "weight stream ended early: bytes=", received_, ", expected a commit ",
        "after ", manifest_.total_bytes(), "; push the version again"));
  }
  state_ = State::kFailed;
  error_ = absl::FailedPreconditionError(
      "weight stream: its weights were already taken");
  if (manifest_.tensors(0).dtype() == v1::DATA_TYPE_BF16) {
    ASSIGN_OR_RETURN(auto wide, NewImage(options_.model, WeightType::kF32));
    Widen(*image_, *wide);
    image_ = std::move(wide);
  }
  return VerifiedWeights{std::move(image_), std::move(manifest_),
                         std::move(sha256_)};
}

}  // namespace operant
