// One frame of a weight stream, on the wire and parsed, without copying its
// payload.
#ifndef OPERANT_COMMON_NN_WEIGHT_FRAME_H_
#define OPERANT_COMMON_NN_WEIGHT_FRAME_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "operant/v1/weights.pb.h"

namespace operant {

// A frame taken apart. `payload` points into `slices` or into `frame`: it is
// valid as long as this object, which may be moved but not copied.
struct ParsedFrame {
  v1::WeightFrame frame;  // its `payload` field may be empty: see below
  std::vector<std::string_view> payload;  // in order
  std::vector<grpc::Slice> slices;

  ParsedFrame() = default;
  ParsedFrame(const ParsedFrame&) = delete;
  ParsedFrame& operator=(const ParsedFrame&) = delete;
};

// Parses `buffer` into `parsed` (a fresh one). A chunk whose payload is the
// last field is parsed in place; anything else goes through protobuf, with a
// copy. DataLoss if it is no WeightFrame.
absl::Status ParseFrame(const grpc::ByteBuffer& buffer, ParsedFrame& parsed);

// The wire form of a frame without payload.
grpc::ByteBuffer EncodeFrame(const v1::WeightFrame& frame);

// The wire form of a chunk: a small slice for the header, then `payload`
// itself.
grpc::ByteBuffer EncodeChunk(const v1::ChunkHeader& header,
                             grpc::Slice payload);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_WEIGHT_FRAME_H_
