// What the section `security` of a configuration says, and what it must keep.
#ifndef OPERANT_COMMON_BASE_CONFIG_SECURITY_H_
#define OPERANT_COMMON_BASE_CONFIG_SECURITY_H_

#include "common/base/config_faults.h"
#include "operant/v1/config.pb.h"

namespace operant {

// Whether it names any: then every connection is mutual TLS.
bool HasCertificates(const v1::SecuritySection& security);

// Sets `plaintext` if there are no certificates: for processes that were told
// nothing and serve, or dial, this machine alone.
void AllowPlaintext(v1::SecuritySection& security);

namespace internal {

// Adds a fault for each key that contradicts another. `security` is resolved;
// no file is touched.
void CheckSecurity(const v1::SecuritySection& security, ConfigFaults& faults);

}  // namespace internal
}  // namespace operant

#endif  // OPERANT_COMMON_BASE_CONFIG_SECURITY_H_
