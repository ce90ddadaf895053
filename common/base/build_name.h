// Which build this is.
#ifndef OPERANT_COMMON_BASE_BUILD_NAME_H_
#define OPERANT_COMMON_BASE_BUILD_NAME_H_

#include <string>

namespace operant {

// Version, LibTorch and compiler: what two builds must share to compute the
// same bits on the same processor.
std::string BuildName();

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_BUILD_NAME_H_
