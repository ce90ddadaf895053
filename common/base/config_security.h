// What the section `security` of a configuration must keep.
#ifndef OPERANT_COMMON_BASE_CONFIG_SECURITY_H_
#define OPERANT_COMMON_BASE_CONFIG_SECURITY_H_

#include "common/base/config_faults.h"
#include "operant/v1/config.pb.h"

namespace operant::internal {

// Adds a fault for each key that contradicts another. `security` is resolved;
// no file is touched.
void CheckSecurity(const v1::SecuritySection& security, ConfigFaults& faults);

}  // namespace operant::internal

#endif  // OPERANT_COMMON_BASE_CONFIG_SECURITY_H_
