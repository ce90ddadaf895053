// A small certificate authority, for development and for clusters without one
// of their own: `operant certs`.
#ifndef OPERANT_COMMON_BASE_CERTIFICATE_AUTHORITY_H_
#define OPERANT_COMMON_BASE_CERTIFICATE_AUTHORITY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace operant {

// A certificate and its private key, both PEM. Keys are ECDSA P-256.
struct KeyedCertificate {
  std::string certificate;
  std::string key;
};

struct Validity {
  absl::Time from;
  absl::Time to;
};

// A self-signed CA that may issue leaves and no further CAs. `name` is its
// common name. Internal if OpenSSL fails.
absl::StatusOr<KeyedCertificate> CreateAuthority(const std::string& name,
                                                 const Validity& validity);

struct LeafRequest {
  // Subject alternative names as OpenSSL writes them: "URI:spiffe://...",
  // "DNS:host".
  std::vector<std::string> names;
  Validity validity;
  bool as_server = true;  // extended key usages
  bool as_client = true;
};

// A leaf with a new key. InvalidArgument: `authority` is not a CA with its key,
// or a name is malformed. Internal if OpenSSL fails.
absl::StatusOr<KeyedCertificate> IssueLeaf(const KeyedCertificate& authority,
                                           const LeafRequest& request);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_CERTIFICATE_AUTHORITY_H_
