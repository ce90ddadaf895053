#include "common/base/philox.h"

namespace operant {
namespace {

// Multipliers and Weyl increments of Philox4x32 (SC 2011, section 4.3).
constexpr uint64_t kMultiplier0 = 0xD2511F53;
constexpr uint64_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;
constexpr uint32_t kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

// Set in the last counter word of integer draws, clear in sampling draws.
constexpr uint32_t kIntegerStreams = 0x80000000;

uint32_t Low(uint64_t x) { return static_cast<uint32_t>(x); }
uint32_t High(uint64_t x) { return static_cast<uint32_t>(x >> 32); }

PhiloxKey Key(uint64_t seed) { return {Low(seed), High(seed)}; }

PhiloxCounter Round(const PhiloxCounter& c, const PhiloxKey& key) {
  const uint64_t p0 = kMultiplier0 * c[0];
  const uint64_t p1 = kMultiplier1 * c[2];
  return {High(p1) ^ c[1] ^ key[0], Low(p1), High(p0) ^ c[3] ^ key[1], Low(p0)};
}

}  // namespace

PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < kRounds; ++round) {
    counter = Round(counter, key);
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

float SampleUniform(const SampleKey& key, uint32_t position) {
  const PhiloxCounter counter = {Low(key.prompt_cursor),
                                 High(key.prompt_cursor), key.sample_index,
                                 position & ~kIntegerStreams};
  const uint32_t bits = Philox4x32(counter, Key(key.run_seed))[0] >> 9;
  return (static_cast<float>(bits) + 0.5f) * 0x1p-23f;
}

uint64_t PhiloxUint64(uint64_t seed, uint64_t stream, uint64_t index) {
  const PhiloxCounter counter = {Low(index), High(index), Low(stream),
                                 High(stream) | kIntegerStreams};
  const PhiloxCounter bits = Philox4x32(counter, Key(seed));
  return (uint64_t{bits[1]} << 32) | bits[0];
}

}  // namespace operant
