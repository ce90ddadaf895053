// Certificates and keys from PEM and to PEM, as OpenSSL's objects.
#ifndef OPERANT_COMMON_BASE_OPENSSL_PEM_H_
#define OPERANT_COMMON_BASE_OPENSSL_PEM_H_

#include <string>
#include <string_view>
#include <vector>

#include "common/base/openssl_ptr.h"

namespace operant::internal {

// All certificates of `pem`, in their order; none is no error.
std::vector<OpensslPtr<X509>> ReadPemCertificates(std::string_view pem);

// The first private key of `pem`; null without an unencrypted one, and
// TakeOpensslError says why.
OpensslPtr<EVP_PKEY> ReadPemKey(std::string_view pem);

// What was written to `memory`, a BIO of BIO_s_mem.
std::string TextOf(BIO& memory);

}  // namespace operant::internal

#endif  // OPERANT_COMMON_BASE_OPENSSL_PEM_H_
