#include "common/base/certificate_authority.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/openssl_pem.h"
#include "common/base/openssl_ptr.h"
#include "common/base/status_macros.h"
#include "openssl/pem.h"
#include "openssl/rand.h"

namespace operant {
namespace {

using internal::OpensslPtr;
using internal::TakeOpensslError;

constexpr long kVersion3 = 2;  // NOLINT: OpenSSL's type; X.509 counts from 0
// The most that RFC 5280 allows is 20; the first bit stays 0.
constexpr int kSerialBytes = 16;

absl::Status OpensslFailed(const char* what) {
  return absl::InternalError(
      absl::StrCat("cannot ", what, ": ", TakeOpensslError()));
}

absl::Status Check(bool done, const char* what) {
  return done ? absl::OkStatus() : OpensslFailed(what);
}

absl::StatusOr<OpensslPtr<EVP_PKEY>> NewKey() {
  OpensslPtr<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpensslFailed("make a key");
  return key;
}

absl::Status SetSerial(X509& certificate) {
  unsigned char bytes[kSerialBytes];
  RETURN_IF_ERROR(
      Check(RAND_bytes(bytes, kSerialBytes) == 1, "draw a serial number"));
  bytes[0] &= 0x7f;
  BIGNUM* number = BN_bin2bn(bytes, kSerialBytes, nullptr);
  const bool set = BN_to_ASN1_INTEGER(
                       number, X509_get_serialNumber(&certificate)) != nullptr;
  BN_free(number);
  return Check(set, "set a serial number");
}

absl::Status SetTimes(X509& certificate, const Validity& validity) {
  const bool set = ASN1_TIME_set(X509_getm_notBefore(&certificate),
                                 absl::ToTimeT(validity.from)) != nullptr &&
                   ASN1_TIME_set(X509_getm_notAfter(&certificate),
                                 absl::ToTimeT(validity.to)) != nullptr;
  return Check(set, "set the validity");
}

absl::Status SetCommonName(X509_NAME* name, const std::string& text) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  return Check(
      X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, bytes,
                                 static_cast<int>(text.size()), -1, 0) == 1,
      "set the common name");
}

absl::Status AddExtension(X509& certificate, X509& issuer, int id,
                          const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  const OpensslPtr<X509_EXTENSION> extension(
      X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
  if (extension == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("certificate extension refused: value=", value, " (",
                     TakeOpensslError(), "), expected OpenSSL's notation"));
  }
  return Check(X509_add_ext(&certificate, extension.get(), -1) == 1,
               "add an extension");
}

// Version, serial number, validity and key; what both kinds have.
absl::StatusOr<OpensslPtr<X509>> NewCertificate(EVP_PKEY& key,
                                                const Validity& validity) {
  OpensslPtr<X509> certificate(X509_new());
  if (certificate == nullptr) return OpensslFailed("make a certificate");
  RETURN_IF_ERROR(Check(X509_set_version(certificate.get(), kVersion3) == 1 &&
                            X509_set_pubkey(certificate.get(), &key) == 1,
                        "fill a certificate"));
  RETURN_IF_ERROR(SetSerial(*certificate));
  RETURN_IF_ERROR(SetTimes(*certificate, validity));
  return certificate;
}

template <typename Write>
absl::StatusOr<std::string> ToPem(const Write& write) {
  const OpensslPtr<BIO> out(BIO_new(BIO_s_mem()));
  if (out == nullptr || write(out.get()) != 1) {
    return OpensslFailed("write PEM");
  }
  return internal::TextOf(*out);
}

absl::StatusOr<KeyedCertificate> SignAndWrite(X509& certificate,
                                              EVP_PKEY& signer, EVP_PKEY& key) {
  RETURN_IF_ERROR(
      Check(X509_sign(&certificate, &signer, EVP_sha256()) > 0, "sign"));
  KeyedCertificate result;
  ASSIGN_OR_RETURN(result.certificate, ToPem([&](BIO* out) {
                     return PEM_write_bio_X509(out, &certificate);
                   }));
  ASSIGN_OR_RETURN(result.key, ToPem([&](BIO* out) {
                     return PEM_write_bio_PrivateKey(
                         out, &key, nullptr, nullptr, 0, nullptr, nullptr);
                   }));
  return result;
}

// A CA read back from PEM.
struct Authority {
  OpensslPtr<X509> certificate;
  OpensslPtr<EVP_PKEY> key;
};

absl::StatusOr<Authority> ReadAuthority(const KeyedCertificate& pem) {
  auto certificates = internal::ReadPemCertificates(pem.certificate);
  Authority authority;
  if (!certificates.empty()) authority.certificate = std::move(certificates[0]);
  authority.key = internal::ReadPemKey(pem.key);
  if (authority.certificate != nullptr && authority.key != nullptr &&
      X509_check_ca(authority.certificate.get()) != 0 &&
      X509_check_private_key(authority.certificate.get(),
                             authority.key.get()) == 1) {
    return authority;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "cannot issue: expected a CA's certificate with its private key (",
      TakeOpensslError(), "); make one with operant certs create"));
}

std::string ExtendedUsage(const LeafRequest& request) {
  std::vector<std::string> usages;
  if (request.as_server) usages.push_back("serverAuth");
  if (request.as_client) usages.push_back("clientAuth");
  return absl::StrJoin(usages, ",");
}

}  // namespace

absl::StatusOr<KeyedCertificate> CreateAuthority(const std::string& name,
                                                 const Validity& validity) {
  ASSIGN_OR_RETURN(const auto key, NewKey());
  ASSIGN_OR_RETURN(const auto certificate, NewCertificate(*key, validity));
  X509& ca = *certificate;
  RETURN_IF_ERROR(SetCommonName(X509_get_subject_name(&ca), name));
  RETURN_IF_ERROR(SetCommonName(X509_get_issuer_name(&ca), name));
  RETURN_IF_ERROR(AddExtension(ca, ca, NID_basic_constraints,
                               "critical,CA:TRUE,pathlen:0"));
  RETURN_IF_ERROR(
      AddExtension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign"));
  RETURN_IF_ERROR(AddExtension(ca, ca, NID_subject_key_identifier, "hash"));
  return SignAndWrite(ca, *key, *key);
}

absl::StatusOr<KeyedCertificate> IssueLeaf(const KeyedCertificate& authority,
                                           const LeafRequest& request) {
  ASSIGN_OR_RETURN(const Authority issuer, ReadAuthority(authority));
  X509& ca = *issuer.certificate;
  ASSIGN_OR_RETURN(const auto key, NewKey());
  ASSIGN_OR_RETURN(const auto leaf, NewCertificate(*key, request.validity));
  RETURN_IF_ERROR(
      Check(X509_set_issuer_name(leaf.get(), X509_get_subject_name(&ca)) == 1,
            "name the issuer"));
  RETURN_IF_ERROR(
      AddExtension(*leaf, ca, NID_basic_constraints, "critical,CA:FALSE"));
  RETURN_IF_ERROR(
      AddExtension(*leaf, ca, NID_key_usage, "critical,digitalSignature"));
  RETURN_IF_ERROR(
      AddExtension(*leaf, ca, NID_ext_key_usage, ExtendedUsage(request)));
  RETURN_IF_ERROR(
      AddExtension(*leaf, ca, NID_authority_key_identifier, "keyid:always"));
  if (!request.names.empty()) {
    // Critical, since the subject is empty (RFC 5280, 4.2.1.6).
    RETURN_IF_ERROR(AddExtension(
        *leaf, ca, NID_subject_alt_name,
        absl::StrCat("critical,", absl::StrJoin(request.names, ","))));
  }
  return SignAndWrite(*leaf, *issuer.key, *key);
}

}  // namespace operant
