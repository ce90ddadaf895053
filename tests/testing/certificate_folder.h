// A certificate authority and the files it issued, in a temporary folder, for
// tests of TLS.
#ifndef OPERANT_TESTS_TESTING_CERTIFICATE_FOLDER_H_
#define OPERANT_TESTS_TESTING_CERTIFICATE_FOLDER_H_

#include <sys/stat.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/certificate_authority.h"
#include "common/base/file_io.h"
#include "gtest/gtest.h"
#include "operant/v1/config.pb.h"

namespace operant::testing_support {

inline Validity ValidNow() {
  return {.from = absl::Now() - absl::Hours(1),
          .to = absl::Now() + absl::Hours(24)};
}

inline LeafRequest LeafOf(std::vector<std::string> names,
                          const Validity& validity = ValidNow()) {
  return {.names = std::move(names), .validity = validity};
}

class CertificateFolder {
 public:
  CertificateFolder()
      : path_(absl::StrCat(testing::TempDir(), "/certs_",
                           absl::ToUnixNanos(absl::Now()))),
        authority_(CreateAuthority("test CA", ValidNow()).value()) {
    EXPECT_TRUE(MakeDirectories(path_).ok());
    Write("ca.crt", authority_.certificate);
  }
  ~CertificateFolder() { RemoveTree(path_).IgnoreError(); }

  const KeyedCertificate& authority() const { return authority_; }
  std::string File(const std::string& name) const {
    return JoinPath(path_, name);
  }

  void Write(const std::string& name, const std::string& text,
             mode_t mode = 0600) const {
    EXPECT_TRUE(WriteFileAtomically(File(name), text).ok());
    EXPECT_EQ(chmod(File(name).c_str(), mode), 0);
  }

  KeyedCertificate Issue(const LeafRequest& request) const {
    return IssueLeaf(authority_, request).value();
  }

  // NAME.pem: key and certificate of spiffe://operant/IDENTITY.
  void Add(const std::string& name, const std::string& identity) const {
    const KeyedCertificate leaf =
        Issue(LeafOf({absl::StrCat("URI:spiffe://operant/", identity)}));
    Write(name + ".pem", leaf.key + leaf.certificate);
  }

  // A configuration that names this folder.
  v1::SecuritySection Security() const {
    v1::SecuritySection security;
    security.set_certs(path_);
    security.set_trust_domain("operant");
    security.set_reload_seconds(1);
    return security;
  }

 private:
  const std::string path_;
  const KeyedCertificate authority_;
};

}  // namespace operant::testing_support

#endif  // OPERANT_TESTS_TESTING_CERTIFICATE_FOLDER_H_
