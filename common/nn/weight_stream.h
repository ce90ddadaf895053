// The stream of frames that carries one version of the weights: manifest,
// chunks in order, commit (proto/operant/v1/weights.proto). No LibTorch, no
// sockets here: weight_rpc.h puts the frames on the wire.
//
// Sending copies nothing: a chunk's payload is a slice of the image itself.
// Receiving copies once: from the transport's buffers to the payload's place in
// the staged image, digested while it is in the cache.
#ifndef OPERANT_COMMON_NN_WEIGHT_STREAM_H_
#define OPERANT_COMMON_NN_WEIGHT_STREAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/digest.h"
#include "common/nn/model_config.h"
#include "common/nn/tensor_digester.h"
#include "common/nn/weight_image.h"
#include "grpcpp/support/byte_buffer.h"
#include "operant/v1/weights.pb.h"

namespace operant {

inline constexpr uint32_t kDefaultChunkBytes = 1 << 20;
inline constexpr uint32_t kMaxChunkBytes = 2 << 20;
// Keeps a hostile manifest from asking for one frame per byte.
inline constexpr uint32_t kMinChunkBytes = 64;

// A version ready to be sent to any number of receivers. Immutable.
struct SealedWeights {
  std::shared_ptr<const WeightImage> image;
  v1::WeightManifest manifest;
  std::string manifest_sha256;             // 32 raw bytes: the identity
  std::vector<std::string> chunk_digests;  // XXH3-128, 16 raw bytes each
};

// Digests `image` (one pass over its memory) as `policy_version`.
// `model_digest` is ModelDigest() of its architecture. InvalidArgument if
// `chunk_bytes` is outside [kMinChunkBytes, kMaxChunkBytes] or the image is
// null or empty.
absl::StatusOr<std::shared_ptr<const SealedWeights>> SealWeights(
    std::shared_ptr<const WeightImage> image, uint64_t policy_version,
    const std::string& model_digest, uint32_t chunk_bytes = kDefaultChunkBytes);

// The identity of the weights: SHA-256 (32 raw bytes) over the manifest's
// deterministic serialisation with policy_version set to 0.
std::string ManifestSha256(const v1::WeightManifest& manifest);

// Makes the frames of one version, in order. Each is a valid serialised
// WeightFrame; a payload slice keeps `weights` alive until gRPC releases it.
// Not thread-safe; one writer per receiver.
class WeightFrameWriter {
 public:
  explicit WeightFrameWriter(std::shared_ptr<const SealedWeights> weights)
      : weights_(std::move(weights)) {}

  // Sets `frame` to the next frame. False, leaving it alone, after the commit.
  bool Next(grpc::ByteBuffer& frame);
  // Whether the frame last made was the commit.
  bool done() const { return next_ == frames(); }
  size_t frames() const { return weights_->chunk_digests.size() + 2; }

 private:
  std::shared_ptr<const SealedWeights> weights_;
  size_t next_ = 0;  // 0: manifest, 1..n: chunks, n + 1: commit
};

// What a completed, verified stream yields.
struct VerifiedWeights {
  std::unique_ptr<WeightImage> image;  // fp32, canonical order
  v1::WeightManifest manifest;         // as sent
  std::string manifest_sha256;         // as recomputed, 32 raw bytes
};

// Takes the frames of one version and yields its weights only if every frame
// came in order, every chunk, every tensor and the manifest match their
// digests, and the tensors are exactly those of the model. Nothing is
// allocated before the manifest is known to fit the model. Accepts frames of
// any protobuf encoder; those of WeightFrameWriter without an extra copy.
//
// Not thread-safe.
class WeightAssembler {
 public:
  struct Options {
    ModelConfig model;  // what the receiver runs
    // Decides on a manifest that fits the model, before memory is taken.
    // `sha256` is recomputed from it. Null: every one is accepted.
    std::function<absl::Status(const v1::WeightManifest& manifest,
                               const std::string& sha256)>
        accept = nullptr;
    // Asked once, after `accept`, for an fp32 image of the same model whose
    // memory is used again (fresh pages cost as much as the copy). Null, or
    // one that returns null: a new image is made.
    std::function<std::unique_ptr<WeightImage>()> reuse = nullptr;
  };

  explicit WeightAssembler(Options options);

  // Takes the next frame. After the first error every call returns it.
  // InvalidArgument (out of order, does not fit the model), DataLoss (does not
  // parse, a digest differs), ResourceExhausted (no memory to stage), or what
  // `accept` says.
  absl::Status Add(const grpc::ByteBuffer& frame);

  // Whether the commit came and everything matched.
  bool complete() const { return state_ == State::kComplete; }
  uint64_t received_bytes() const { return received_; }

  // The weights, once, after complete(). DataLoss if the stream ended early;
  // the error of Add if there was one.
  absl::StatusOr<VerifiedWeights> Finish();
  // The staged image, to be used again after a failed transfer; may be null.
  std::unique_ptr<WeightImage> TakeImage() { return std::move(image_); }

 private:
  enum class State { kManifest, kChunks, kComplete, kFailed };
  using Pieces = std::vector<std::string_view>;

  absl::Status AddFrame(const grpc::ByteBuffer& frame);
  absl::Status AddManifest(v1::WeightManifest manifest);
  absl::Status Stage(WeightType type);
  absl::Status AddChunk(const v1::ChunkHeader& chunk, const Pieces& payload);
  absl::Status CheckChunk(const v1::ChunkHeader& chunk,
                          const Pieces& payload) const;
  void CopyPiece(std::string_view piece, Xxh3Stream& chunk_digest);
  absl::Status AddCommit(const v1::Commit& commit);
  absl::Status CheckTensorDigests() const;

  Options options_;
  State state_ = State::kManifest;
  absl::Status error_;
  v1::WeightManifest manifest_;
  std::string sha256_;
  std::unique_ptr<WeightImage> image_;
  std::optional<TensorDigester> tensor_digests_;
  uint64_t received_ = 0;  // bytes of the image so far
  uint32_t next_chunk_ = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_WEIGHT_STREAM_H_
