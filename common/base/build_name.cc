#include "common/base/build_name.h"

namespace operant {

std::string BuildName() {
  return "operant " OPERANT_VERSION ", LibTorch " OPERANT_TORCH_VERSION
         ", " OPERANT_COMPILER;
}

}  // namespace operant
