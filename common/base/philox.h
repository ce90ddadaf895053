// Philox4x32-10, a counter-based random generator (Salmon, Moraes, Dror, Shaw:
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The same key and
// counter give the same numbers on any machine, in any order: that is what lets
// any worker regenerate a lost response, and what makes who shares a batch
// irrelevant.
//
// Stateless and thread-safe.
#ifndef OPERANT_COMMON_BASE_PHILOX_H_
#define OPERANT_COMMON_BASE_PHILOX_H_

#include <array>
#include <cstdint>

namespace operant {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

// Ten rounds of Philox4x32.
PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key);

// What sampling is keyed by (design: run seed, prompt, sample, position).
struct SampleKey {
  uint64_t run_seed = 0;
  uint64_t prompt_cursor = 0;
  uint32_t sample_index = 0;
};

// A uniform in the open interval (0, 1) for response position `position` of
// `key`: 23 random bits plus a half, exact in fp32, so neither end is ever
// drawn. `position` is below 2^31 (its top bit is ignored).
float SampleUniform(const SampleKey& key, uint32_t position);

// A uniform 64-bit integer of stream `stream` (below 2^63; its top bit is
// ignored), item `index`: for shuffles and initialisation. Streams overlap
// neither each other nor, for any seed, what SampleUniform draws from.
uint64_t PhiloxUint64(uint64_t seed, uint64_t stream, uint64_t index);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_PHILOX_H_
