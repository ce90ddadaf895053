// Owners of OpenSSL's objects, and its last error as text.
#ifndef OPERANT_COMMON_BASE_OPENSSL_PTR_H_
#define OPERANT_COMMON_BASE_OPENSSL_PTR_H_

#include <memory>
#include <string>

#include "openssl/bio.h"
#include "openssl/evp.h"
#include "openssl/x509.h"
#include "openssl/x509v3.h"

namespace operant::internal {

struct OpensslDelete {
  void operator()(BIO* p) const { BIO_free_all(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
  void operator()(X509_STORE* p) const { X509_STORE_free(p); }
  void operator()(X509_STORE_CTX* p) const { X509_STORE_CTX_free(p); }
  void operator()(GENERAL_NAMES* p) const { GENERAL_NAMES_free(p); }
};

template <typename T>
using OpensslPtr = std::unique_ptr<T, OpensslDelete>;

// The newest error of this thread, "" without one; forgets all of them.
std::string TakeOpensslError();

}  // namespace operant::internal

#endif  // OPERANT_COMMON_BASE_OPENSSL_PTR_H_
