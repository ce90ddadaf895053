// Between fp32 and the two 16-bit types that weights are stored in.
#ifndef OPERANT_COMMON_NN_FLOAT_CONVERT_H_
#define OPERANT_COMMON_NN_FLOAT_CONVERT_H_

#include <cstdint>

namespace operant {

// Exact.
float FromBf16(uint16_t bits);
float FromF16(uint16_t bits);

// Rounds to nearest, ties to even. NaN stays NaN; what is too large for F16
// becomes infinity.
uint16_t ToBf16(float value);
uint16_t ToF16(float value);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_FLOAT_CONVERT_H_
