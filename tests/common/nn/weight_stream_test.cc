#include "common/nn/weight_stream.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/io/coded_stream.h"
#include "grpcpp/support/slice.h"
#include "gtest/gtest.h"
#include "tests/testing/tiny_weights.h"

namespace operant {
namespace {

constexpr uint32_t kChunkBytes = 256;
constexpr uint64_t kVersion = 7;

using Frames = std::vector<std::string>;

std::string Flatten(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string flat;
  for (const grpc::Slice& slice : slices) {
    flat.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return flat;
}

grpc::ByteBuffer Buffer(const std::string& bytes, size_t slice_bytes = 0) {
  std::vector<grpc::Slice> slices;
  const size_t step = slice_bytes == 0 ? bytes.size() + 1 : slice_bytes;
  for (size_t i = 0; i < bytes.size(); i += step) {
    slices.emplace_back(bytes.substr(i, step));
  }
  if (slices.empty()) slices.emplace_back(std::string());
  return grpc::ByteBuffer(slices.data(), slices.size());
}

std::shared_ptr<const SealedWeights> Seal(uint64_t seed, uint64_t version) {
  return *SealWeights(TinyImage(seed), version, ModelDigest(TinyModel()),
                      kChunkBytes);
}

Frames FramesOf(std::shared_ptr<const SealedWeights> weights) {
  WeightFrameWriter writer(std::move(weights));
  Frames frames;
  for (grpc::ByteBuffer frame; writer.Next(frame);) {
    frames.push_back(Flatten(frame));
  }
  return frames;
}

absl::StatusOr<VerifiedWeights> Assemble(const Frames& frames,
                                         size_t slice_bytes = 0) {
  WeightAssembler assembler({.model = TinyModel()});
  for (const std::string& frame : frames) {
    absl::Status status = assembler.Add(Buffer(frame, slice_bytes));
    if (!status.ok()) return status;
  }
  return assembler.Finish();
}

bool SameBytes(const WeightImage& a, const WeightImage& b) {
  return std::ranges::equal(a.bytes(), b.bytes());
}

// What may come out of a damaged stream: an error of the contract, or the
// weights as they were sent.
::testing::AssertionResult RefusedOrIntact(
    const absl::StatusOr<VerifiedWeights>& result, const WeightImage& sent) {
  if (result.ok()) {
    if (result->manifest.policy_version() == kVersion &&
        SameBytes(*result->image, sent)) {
      return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << "other weights became active";
  }
  if (absl::IsInvalidArgument(result.status()) ||
      absl::IsDataLoss(result.status())) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << result.status();
}

TEST(WeightStreamTest, CarriesAnImageByteForByte) {
  const auto sealed = Seal(1, kVersion);
  const Frames frames = FramesOf(sealed);
  ASSERT_GT(frames.size(), 4u);
  const absl::StatusOr<VerifiedWeights> result = Assemble(frames);
  ASSERT_EQ(result.status(), absl::OkStatus());
  EXPECT_TRUE(SameBytes(*result->image, *sealed->image));
  EXPECT_EQ(result->manifest.policy_version(), kVersion);
  EXPECT_EQ(result->manifest_sha256, sealed->manifest_sha256);
}

TEST(WeightStreamTest, FramesAreTheSameHoweverTheTransportCutsThem) {
  const auto sealed = Seal(1, kVersion);
  for (const size_t slice_bytes : {1, 2, 7, 31, 64, 300}) {
    const auto result = Assemble(FramesOf(sealed), slice_bytes);
    ASSERT_EQ(result.status(), absl::OkStatus()) << slice_bytes;
    EXPECT_TRUE(SameBytes(*result->image, *sealed->image)) << slice_bytes;
  }
}

TEST(WeightStreamTest, FramesParseAsWeightFrameMessages) {
  const auto sealed = Seal(1, kVersion);
  const Frames frames = FramesOf(sealed);
  uint64_t payload = 0;
  for (const std::string& text : frames) {
    v1::WeightFrame frame;
    ASSERT_TRUE(frame.ParseFromString(text));
    EXPECT_EQ(frame.chunk().bytes(), frame.payload().size());
    payload += frame.payload().size();
  }
  EXPECT_EQ(payload, sealed->image->bytes().size());
}

// A stock library may write the payload first, or split nothing at all.
TEST(WeightStreamTest, TakesFramesWithFieldsInAnotherOrder) {
  const auto sealed = Seal(1, kVersion);
  Frames frames = FramesOf(sealed);
  for (std::string& text : frames) {
    v1::WeightFrame frame;
    ASSERT_TRUE(frame.ParseFromString(text));
    v1::WeightFrame payload;
    payload.set_payload(std::move(*frame.mutable_payload()));
    frame.clear_payload();
    text = payload.SerializeAsString() + frame.SerializeAsString();
  }
  const auto result = Assemble(frames);
  ASSERT_EQ(result.status(), absl::OkStatus());
  EXPECT_TRUE(SameBytes(*result->image, *sealed->image));
}

TEST(WeightStreamTest, AFlippedByteNeverYieldsOtherWeights) {
  const auto sealed = Seal(1, kVersion);
  const Frames frames = FramesOf(sealed);
  for (size_t f = 0; f < frames.size(); ++f) {
    // Every byte of every frame; one bit and all bits.
    for (size_t i = 0; i < frames[f].size(); ++i) {
      for (const char mask : {'\x01', '\xff'}) {
        Frames damaged = frames;
        damaged[f][i] = static_cast<char>(damaged[f][i] ^ mask);
        ASSERT_TRUE(RefusedOrIntact(Assemble(damaged), *sealed->image))
            << "frame " << f << " byte " << i;
      }
    }
  }
}

TEST(WeightStreamTest, AFlippedPayloadByteIsDataLoss) {
  Frames frames = FramesOf(Seal(1, kVersion));
  frames[2].back() = static_cast<char>(frames[2].back() ^ 1);
  EXPECT_TRUE(absl::IsDataLoss(Assemble(frames).status()));
}

TEST(WeightStreamTest, EveryCutIsDataLoss) {
  const Frames frames = FramesOf(Seal(1, kVersion));
  for (size_t n = 0; n < frames.size(); ++n) {
    const Frames cut(frames.begin(), frames.begin() + n);
    EXPECT_TRUE(absl::IsDataLoss(Assemble(cut).status())) << n;
  }
}

TEST(WeightStreamTest, AFrameCutAnywhereIsRefused) {
  const auto sealed = Seal(1, kVersion);
  const Frames frames = FramesOf(sealed);
  for (size_t n = 0; n < frames[1].size(); ++n) {
    Frames cut = frames;
    cut[1].resize(n);
    EXPECT_FALSE(Assemble(cut).ok()) << n;
    EXPECT_TRUE(RefusedOrIntact(Assemble(cut), *sealed->image)) << n;
  }
}

TEST(WeightStreamTest, EverySwapOfTwoFramesIsRefused) {
  const Frames frames = FramesOf(Seal(1, kVersion));
  for (size_t i = 0; i < frames.size(); ++i) {
    for (size_t j = i + 1; j < frames.size(); ++j) {
      Frames swapped = frames;
      std::swap(swapped[i], swapped[j]);
      EXPECT_TRUE(absl::IsInvalidArgument(Assemble(swapped).status()))
          << i << " " << j;
    }
  }
}

TEST(WeightStreamTest, EveryRepeatedFrameIsRefused) {
  const Frames frames = FramesOf(Seal(1, kVersion));
  for (size_t i = 0; i < frames.size(); ++i) {
    Frames repeated = frames;
    repeated.insert(repeated.begin() + i, frames[i]);
    EXPECT_TRUE(absl::IsInvalidArgument(Assemble(repeated).status())) << i;
  }
}

TEST(WeightStreamTest, AMixOfTwoVersionsIsRefused) {
  const Frames a = FramesOf(Seal(1, kVersion));
  const Frames b = FramesOf(Seal(2, kVersion + 1));
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    Frames mixed = a;
    mixed[i] = b[i];
    EXPECT_TRUE(absl::IsInvalidArgument(Assemble(mixed).status())) << i;
  }
}

// Two histories may give one number to different weights (a learner that
// resumed).
TEST(WeightStreamTest, AMixOfTwoImagesOfOneVersionIsDataLoss) {
  const Frames a = FramesOf(Seal(1, kVersion));
  const Frames b = FramesOf(Seal(2, kVersion));
  for (size_t i = 0; i < a.size(); ++i) {
    Frames mixed = a;
    mixed[i] = b[i];
    EXPECT_TRUE(absl::IsDataLoss(Assemble(mixed).status())) << i;
  }
}

TEST(WeightStreamTest, AnotherModelIsRefused) {
  ModelConfig other = TinyModel();
  other.num_hidden_layers = 2;
  WeightAssembler assembler({.model = other});
  const Frames frames = FramesOf(Seal(1, kVersion));
  EXPECT_TRUE(absl::IsInvalidArgument(assembler.Add(Buffer(frames[0]))));
  EXPECT_TRUE(absl::IsInvalidArgument(assembler.Add(Buffer(frames[1]))));
}

TEST(WeightStreamTest, AHugeManifestIsRefusedBeforeMemoryIsTaken) {
  auto sealed = std::make_shared<SealedWeights>(*Seal(1, kVersion));
  sealed->manifest.set_total_bytes(uint64_t{1} << 60);
  bool accepted = false;
  WeightAssembler assembler(
      {.model = TinyModel(), .accept = [&](const auto&, const auto&) {
         accepted = true;
         return absl::OkStatus();
       }});
  const std::string manifest = FramesOf(sealed)[0];
  EXPECT_TRUE(absl::IsInvalidArgument(assembler.Add(Buffer(manifest))));
  EXPECT_FALSE(accepted);
  EXPECT_EQ(assembler.TakeImage(), nullptr);
}

TEST(WeightStreamTest, ARefusedVersionIsNotStaged) {
  WeightAssembler assembler(
      {.model = TinyModel(), .accept = [](const auto&, const auto&) {
         return absl::FailedPreconditionError("old");
       }});
  const Frames frames = FramesOf(Seal(1, kVersion));
  EXPECT_TRUE(absl::IsFailedPrecondition(assembler.Add(Buffer(frames[0]))));
  EXPECT_TRUE(absl::IsFailedPrecondition(assembler.Add(Buffer(frames[1]))));
  EXPECT_TRUE(absl::IsFailedPrecondition(assembler.Finish().status()));
}

TEST(WeightStreamTest, ReusesTheMemoryItIsGiven) {
  auto old = std::make_unique<WeightImage>(
      WeightImage::ForModel(TinyModel(), WeightType::kF32));
  const std::byte* const memory = old->bytes().data();
  WeightAssembler assembler(
      {.model = TinyModel(), .reuse = [&] { return std::move(old); }});
  const auto sealed = Seal(1, kVersion);
  for (const std::string& frame : FramesOf(sealed)) {
    ASSERT_EQ(assembler.Add(Buffer(frame)), absl::OkStatus());
  }
  const auto result = assembler.Finish();
  ASSERT_EQ(result.status(), absl::OkStatus());
  EXPECT_EQ(result->image->bytes().data(), memory);
  EXPECT_TRUE(SameBytes(*result->image, *sealed->image));
}

TEST(WeightStreamTest, WidensBf16ToFp32) {
  auto narrow = std::make_shared<WeightImage>(
      WeightImage::ForModel(TinyModel(), WeightType::kBf16));
  // 1.5 in bf16 is 0x3fc0.
  for (size_t i = 0; i < narrow->bytes().size(); i += 2) {
    const uint16_t value = 0x3fc0;
    std::memcpy(narrow->bytes().data() + i, &value, sizeof(value));
  }
  const auto sealed =
      *SealWeights(narrow, kVersion, ModelDigest(TinyModel()), kChunkBytes);
  const auto result = Assemble(FramesOf(sealed));
  ASSERT_EQ(result.status(), absl::OkStatus());
  for (const WeightTensor& tensor : result->image->tensors()) {
    EXPECT_EQ(tensor.type, WeightType::kF32);
    EXPECT_THAT(result->image->AsFloats(tensor), ::testing::Each(1.5f));
  }
}

TEST(WeightStreamTest, TheIdentityIsOfTheWeightsNotOfTheVersion) {
  EXPECT_EQ(Seal(1, 3)->manifest_sha256, Seal(1, 4)->manifest_sha256);
  EXPECT_NE(Seal(1, 3)->manifest_sha256, Seal(2, 3)->manifest_sha256);
}

TEST(WeightStreamTest, APayloadKeepsTheWeightsAlive) {
  auto sealed = Seal(1, kVersion);
  const std::weak_ptr<const SealedWeights> watch = sealed;
  grpc::ByteBuffer chunk;
  {
    WeightFrameWriter writer(std::move(sealed));
    ASSERT_TRUE(writer.Next(chunk));
    ASSERT_TRUE(writer.Next(chunk));
  }
  EXPECT_FALSE(watch.expired());
  chunk.Clear();
  EXPECT_TRUE(watch.expired());
}

TEST(WeightStreamTest, RefusesToSealNothing) {
  EXPECT_TRUE(absl::IsInvalidArgument(SealWeights(nullptr, 1, "").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      SealWeights(TinyImage(1), 1, "", kMaxChunkBytes + 1).status()));
}

}  // namespace
}  // namespace operant
