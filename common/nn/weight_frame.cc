#include "common/nn/weight_frame.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/grpc_status.h"
#include "common/base/status_macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace operant {
namespace {

using ::google::protobuf::io::ArrayInputStream;
using ::google::protobuf::io::CodedInputStream;
using ::google::protobuf::io::CodedOutputStream;

// A field's tag: number and wire type 2 (length-delimited).
constexpr uint32_t LengthDelimited(uint32_t field) { return field << 3 | 2; }
constexpr uint32_t kChunkTag =
    LengthDelimited(v1::WeightFrame::kChunkFieldNumber);
constexpr uint32_t kPayloadTag =
    LengthDelimited(v1::WeightFrame::kPayloadFieldNumber);

// Enough for a chunk's header and the payload's tag and length: a header of
// ours takes about 45 bytes.
constexpr size_t kMaxHeadBytes = 256;

std::string_view View(const grpc::Slice& slice) {
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

size_t TotalBytes(const std::vector<grpc::Slice>& slices) {
  size_t total = 0;
  for (const grpc::Slice& slice : slices) total += slice.size();
  return total;
}

// The first bytes of the frame, up to kMaxHeadBytes.
std::string Head(const std::vector<grpc::Slice>& slices) {
  std::string head;
  for (const grpc::Slice& slice : slices) {
    if (head.size() == kMaxHeadBytes) break;
    head.append(View(slice).substr(0, kMaxHeadBytes - head.size()));
  }
  return head;
}

// Reads "chunk header, payload to the very end" and returns where the payload
// begins. Nothing if the frame is of another form.
std::optional<size_t> ParseChunkHead(const std::string& head,
                                     size_t frame_bytes,
                                     v1::ChunkHeader& header) {
  ArrayInputStream array(head.data(), static_cast<int>(head.size()));
  CodedInputStream in(&array);
  uint32_t header_bytes = 0;
  std::string text;
  if (in.ReadTag() != kChunkTag || !in.ReadVarint32(&header_bytes) ||
      header_bytes > head.size() || !in.ReadString(&text, header_bytes) ||
      !header.ParseFromString(text)) {
    return std::nullopt;
  }
  uint32_t payload_bytes = 0;
  if (in.ReadTag() != kPayloadTag || !in.ReadVarint32(&payload_bytes)) {
    return std::nullopt;
  }
  const size_t begin = in.CurrentPosition();
  if (begin + payload_bytes != frame_bytes) return std::nullopt;
  return begin;
}

std::vector<std::string_view> PiecesFrom(const std::vector<grpc::Slice>& slices,
                                         size_t skip) {
  std::vector<std::string_view> pieces;
  for (const grpc::Slice& slice : slices) {
    std::string_view piece = View(slice);
    const size_t skipped = std::min(skip, piece.size());
    skip -= skipped;
    piece.remove_prefix(skipped);
    if (!piece.empty()) pieces.push_back(piece);
  }
  return pieces;
}

absl::Status ParseWithProtobuf(ParsedFrame& parsed) {
  std::string flat;
  flat.reserve(TotalBytes(parsed.slices));
  for (const grpc::Slice& slice : parsed.slices) flat.append(View(slice));
  if (!parsed.frame.ParseFromString(flat)) {
    return absl::DataLossError(
        absl::StrCat("weight frame does not parse: bytes=", flat.size(),
                     ", expected a WeightFrame; send the version again"));
  }
  if (!parsed.frame.payload().empty()) {
    parsed.payload = {parsed.frame.payload()};
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseFrame(const grpc::ByteBuffer& buffer, ParsedFrame& parsed) {
  RETURN_IF_ERROR(FromGrpcStatus(buffer.Dump(&parsed.slices)));
  const std::optional<size_t> payload =
      ParseChunkHead(Head(parsed.slices), TotalBytes(parsed.slices),
                     *parsed.frame.mutable_chunk());
  if (!payload.has_value()) return ParseWithProtobuf(parsed);
  parsed.payload = PiecesFrom(parsed.slices, *payload);
  return absl::OkStatus();
}

grpc::ByteBuffer EncodeFrame(const v1::WeightFrame& frame) {
  const grpc::Slice slice(frame.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

grpc::ByteBuffer EncodeChunk(const v1::ChunkHeader& header,
                             grpc::Slice payload) {
  v1::WeightFrame frame;
  *frame.mutable_chunk() = header;
  std::string head = frame.SerializeAsString();
  std::array<uint8_t, 16> tag;
  uint8_t* end = CodedOutputStream::WriteTagToArray(kPayloadTag, tag.data());
  end = CodedOutputStream::WriteVarint32ToArray(
      static_cast<uint32_t>(payload.size()), end);
  head.append(tag.begin(), tag.begin() + (end - tag.data()));
  const std::array<grpc::Slice, 2> slices = {grpc::Slice(head),
                                             std::move(payload)};
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace operant
