#include "common/reward_client/content_digest.h"

#include <array>
#include <cstdint>

#include "common/base/digest.h"

namespace operant {
namespace {

void Add(uint32_t value, Xxh3Stream& stream) {
  std::array<unsigned char, 4> bytes;
  for (int i = 0; i < 4; ++i) bytes[i] = (value >> (8 * i)) & 0xff;
  stream.Update(bytes.data(), bytes.size());
}

void AddAll(const google::protobuf::RepeatedField<int32_t>& ids,
            Xxh3Stream& stream) {
  Add(ids.size(), stream);
  for (int32_t id : ids) Add(static_cast<uint32_t>(id), stream);
}

}  // namespace

std::string ContentDigest(const v1::ScoreItem& item) {
  Xxh3Stream stream;
  AddAll(item.prompt_token_ids(), stream);
  AddAll(item.response_token_ids(), stream);
  Add(item.finish(), stream);
  return stream.Finish();
}

}  // namespace operant
