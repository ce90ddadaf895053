#include "common/reward_client/answer_wire.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace operant {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Beside token rewards: id, outcome, ignore, components, notes; with room.
constexpr size_t kPartsPerItem = 256;

// Counts fields; nothing is copied.
class Counter {
 public:
  Counter(const std::string& bytes, size_t most)
      : in_(reinterpret_cast<const uint8_t*>(bytes.data()),
            static_cast<int>(bytes.size())),
        most_(most) {}

  // Whether the bytes are a message of at most `most` fields and results'
  // fields.
  bool Fits() { return Walk(/*depth=*/0); }

 private:
  bool Walk(int depth) {
    while (const uint32_t tag = in_.ReadTag()) {
      if (++fields_ > most_) return false;
      const bool is_result =
          depth == 0 && tag == WireFormatLite::MakeTag(
                                   v1::ScoreResponse::kResultsFieldNumber,
                                   WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
      if (is_result ? !WalkResult() : !WireFormatLite::SkipField(&in_, tag)) {
        return false;
      }
    }
    return in_.ConsumedEntireMessage();
  }

  bool WalkResult() {
    uint32_t length = 0;
    if (!in_.ReadVarint32(&length)) return false;
    const CodedInputStream::Limit outer =
        in_.PushLimit(static_cast<int>(length));
    const bool fine = Walk(/*depth=*/1);
    in_.PopLimit(outer);
    return fine;
  }

  CodedInputStream in_;
  const size_t most_;
  size_t fields_ = 0;
};

}  // namespace

absl::StatusOr<v1::ScoreResponse> ParseAnswer(const std::string& bytes,
                                              size_t items,
                                              size_t response_tokens) {
  const size_t most = (items + 1) * kPartsPerItem + response_tokens;
  v1::ScoreResponse response;
  if (Counter(bytes, most).Fits() && response.ParseFromString(bytes)) {
    return response;
  }
  return absl::DataLossError(absl::StrCat(
      "answer is no usable ScoreResponse: bytes=", bytes.size(),
      ", expected a protobuf message of at most ", most,
      " parts for items=", items, "; look at how the server makes it"));
}

}  // namespace operant
