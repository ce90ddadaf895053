#include "common/reward_client/content_digest.h"

#include <cstdint>

#include "common/base/digest.h"

namespace operant {
namespace {

using Ids = google::protobuf::RepeatedField<int32_t>;

constexpr size_t kWordBytes = 4;

// Writes `value` at `to`, little-endian; returns where the next word goes.
char* Put(uint32_t value, char* to) {
  for (size_t i = 0; i < kWordBytes; ++i) {
    to[i] = static_cast<char>(value >> (8 * i));
  }
  return to + kWordBytes;
}

char* PutAll(const Ids& ids, char* to) {
  to = Put(ids.size(), to);
  for (int32_t id : ids) to = Put(static_cast<uint32_t>(id), to);
  return to;
}

}  // namespace

std::string ContentDigest(const v1::ScoreItem& item) {
  const Ids& prompt = item.prompt_token_ids();
  const Ids& response = item.response_token_ids();
  // Two lengths and the finish reason are words too.
  std::string bytes(kWordBytes * (prompt.size() + response.size() + 3), '\0');
  char* const rest = PutAll(response, PutAll(prompt, bytes.data()));
  Put(item.finish(), rest);
  return Xxh3(bytes);
}

}  // namespace operant
