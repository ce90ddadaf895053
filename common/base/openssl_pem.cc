#include "common/base/openssl_pem.h"

#include "openssl/err.h"
#include "openssl/pem.h"

namespace operant::internal {
namespace {

OpensslPtr<BIO> Reader(std::string_view pem) {
  return OpensslPtr<BIO>(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// Never asks a terminal for the passphrase of an encrypted key.
int NoPassphrase(char*, int, int, void*) { return 0; }

}  // namespace

std::vector<OpensslPtr<X509>> ReadPemCertificates(std::string_view pem) {
  std::vector<OpensslPtr<X509>> all;
  const OpensslPtr<BIO> in = Reader(pem);
  while (X509* next =
             PEM_read_bio_X509(in.get(), nullptr, NoPassphrase, nullptr)) {
    all.emplace_back(next);
  }
  ERR_clear_error();  // the end of the text is an error to OpenSSL
  return all;
}

OpensslPtr<EVP_PKEY> ReadPemKey(std::string_view pem) {
  const OpensslPtr<BIO> in = Reader(pem);
  return OpensslPtr<EVP_PKEY>(
      PEM_read_bio_PrivateKey(in.get(), nullptr, NoPassphrase, nullptr));
}

std::string TextOf(BIO& memory) {
  char* text = nullptr;
  const auto size = BIO_get_mem_data(&memory, &text);
  return std::string(text, static_cast<size_t>(size));
}

}  // namespace operant::internal
