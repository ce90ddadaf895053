#include "common/base/config_security.h"

#include <string>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"

namespace operant {
namespace {

using internal::ConfigFaults;

// As long as a host name.
constexpr size_t kMaxDomainBytes = 255;

bool IsDomainCharacter(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '.' ||
         c == '-' || c == '_';
}

// What a plaintext process cannot have.
void CheckPlaintext(const v1::SecuritySection& security, ConfigFaults& faults) {
  const bool certificates = HasCertificates(security);
  if (certificates && security.plaintext()) {
    faults.Add({"security.plaintext", "true",
                "no value since certificates are given",
                "leave out security.plaintext, or the certificates"});
  }
  if (!certificates && !security.token_file().empty()) {
    faults.Add({"security.token_file", security.token_file(),
                "no value without certificates since a token travels over TLS "
                "only",
                "set security.certs (operant certs create DIR)"});
  }
}

}  // namespace

bool HasCertificates(const v1::SecuritySection& security) {
  return !security.certs().empty() || !security.certificate().empty() ||
         !security.key().empty() || !security.ca().empty();
}

void AllowPlaintext(v1::SecuritySection& security) {
  if (!HasCertificates(security)) security.set_plaintext(true);
}

namespace internal {

void CheckSecurity(const v1::SecuritySection& security, ConfigFaults& faults) {
  const std::string& domain = security.trust_domain();
  if (domain.empty() || domain.size() > kMaxDomainBytes ||
      !absl::c_all_of(domain, IsDomainCharacter)) {
    faults.Add({"security.trust_domain", domain,
                "at most 255 of a-z, 0-9, '.', '-' and '_'",
                "leave the key out for \"operant\""});
  }
  const bool all = !security.certificate().empty() && !security.key().empty() &&
                   !security.ca().empty();
  if (HasCertificates(security) && security.certs().empty() && !all) {
    faults.Add({"security.certificate", security.certificate(),
                "certificate, key and ca together",
                "set all three, or security.certs"});
  }
  CheckPlaintext(security, faults);
}

}  // namespace internal
}  // namespace operant
