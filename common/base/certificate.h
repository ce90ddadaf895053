// What PEM files of certificates and keys say, and whether a process may use
// them. Knows nothing of gRPC.
#ifndef OPERANT_COMMON_BASE_CERTIFICATE_H_
#define OPERANT_COMMON_BASE_CERTIFICATE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/identity.h"

namespace operant {

// The leaf of a chain.
struct CertificateInfo {
  std::vector<std::string> uris;  // its URI names
  absl::Time not_before;
  absl::Time not_after;
  std::string issuer;  // "CN=..."
};

// The first certificate of `pem`. InvalidArgument if there is none.
absl::StatusOr<CertificateInfo> ReadCertificate(std::string_view pem);

// The identity of a certificate: that of its one URI name. InvalidArgument
// without one, with several, or with one that ParseIdentity refuses.
absl::StatusOr<Identity> IdentityOf(const CertificateInfo& certificate);

// Where a process's certificate chain, private key and trusted CAs lie. The
// first two may be one file.
struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string ca;
};

// Reads the files as TLS will and returns the leaf. Errors, each naming the
// file and the next step: NotFound; PermissionDenied (a key that others can
// read); InvalidArgument (not PEM, the key is another certificate's, no
// identity); FailedPrecondition (not valid at `now`, or not issued by a CA of
// `files.ca`).
absl::StatusOr<CertificateInfo> CheckTlsFiles(const TlsFiles& files,
                                              absl::Time now);

// PermissionDenied if users outside the file's group may read it, or others
// than its owner may write it; NotFound.
absl::Status CheckPrivate(const std::string& path);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_CERTIFICATE_H_
