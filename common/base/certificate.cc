#include "common/base/certificate.h"

#include <sys/stat.h>

#include <cerrno>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/exit_code.h"
#include "common/base/file_io.h"
#include "common/base/openssl_pem.h"
#include "common/base/openssl_ptr.h"
#include "common/base/status_macros.h"
#include "openssl/err.h"

namespace operant {
namespace internal {

std::string TakeOpensslError() {
  const unsigned long error = ERR_peek_last_error();  // NOLINT: OpenSSL's type
  ERR_clear_error();
  if (error == 0) return "";
  const char* reason = ERR_reason_error_string(error);
  return reason == nullptr ? absl::StrCat("error ", error) : reason;
}

}  // namespace internal

namespace {

using internal::OpensslPtr;
using internal::ReadPemCertificates;
using internal::TakeOpensslError;

constexpr uint64_t kMaxPemBytes = 1 << 20;

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string NameOf(const X509_NAME* name) {
  const OpensslPtr<BIO> out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253);
  return internal::TextOf(*out);
}

std::vector<std::string> UrisOf(const X509& certificate) {
  const OpensslPtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> uris;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      ASN1_STRING_length(uri));
  }
  return uris;
}

CertificateInfo InfoOf(const X509& certificate) {
  return {.uris = UrisOf(certificate),
          .not_before = TimeOf(X509_get0_notBefore(&certificate)),
          .not_after = TimeOf(X509_get0_notAfter(&certificate)),
          .issuer = NameOf(X509_get_issuer_name(&certificate))};
}

absl::Status CheckKey(X509& leaf, std::string_view pem, const TlsFiles& files) {
  const OpensslPtr<EVP_PKEY> key = internal::ReadPemKey(pem);
  if (key == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot read key: file=", files.key, " (", TakeOpensslError(),
        "), expected an unencrypted private key in PEM; issue one with "
        "operant certs"));
  }
  if (X509_check_private_key(&leaf, key.get()) == 1) return absl::OkStatus();
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(
      "key of another certificate: key=", files.key, ", expected that of ",
      files.certificate, "; install the two together"));
}

absl::Status CheckDates(const CertificateInfo& leaf, const TlsFiles& files,
                        absl::Time now) {
  if (now >= leaf.not_before && now < leaf.not_after) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "certificate ", now < leaf.not_before ? "not yet valid" : "expired",
      ": file=", files.certificate, ", valid from ",
      absl::FormatTime(leaf.not_before), " to ",
      absl::FormatTime(leaf.not_after),
      ", expected to hold now; check the clock, or renew it with operant certs "
      "issue"));
}

// The leaf up to a CA of `ca_pem`, at `now`.
absl::Status CheckChain(const std::vector<OpensslPtr<X509>>& chain,
                        std::string_view ca_pem, const TlsFiles& files,
                        absl::Time now) {
  const OpensslPtr<X509_STORE> store(X509_STORE_new());
  for (const auto& ca : ReadPemCertificates(ca_pem)) {
    X509_STORE_add_cert(store.get(), ca.get());
  }
  STACK_OF(X509)* between = sk_X509_new_null();
  for (size_t i = 1; i < chain.size(); ++i)
    sk_X509_push(between, chain[i].get());
  const OpensslPtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), chain[0].get(), between);
  X509_STORE_CTX_set_time(context.get(), 0, absl::ToTimeT(now));
  const bool good = X509_verify_cert(context.get()) == 1;
  const std::string why =
      X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  sk_X509_free(between);
  ERR_clear_error();
  if (good) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("certificate of an unknown CA: file=", files.certificate,
                   " (", why, "), expected to be issued by one of ", files.ca,
                   "; give both from the same operant certs folder"));
}

}  // namespace

absl::StatusOr<CertificateInfo> ReadCertificate(std::string_view pem) {
  const auto all = ReadPemCertificates(pem);
  if (!all.empty()) return InfoOf(*all[0]);
  return absl::InvalidArgumentError(
      "no certificate found, expected PEM (BEGIN CERTIFICATE)");
}

absl::StatusOr<Identity> IdentityOf(const CertificateInfo& certificate) {
  if (certificate.uris.size() == 1) return ParseIdentity(certificate.uris[0]);
  return absl::InvalidArgumentError(absl::StrCat(
      "no identity: uri_names=", certificate.uris.size(),
      ", expected exactly one (spiffe://...) in the certificate; issue one "
      "with operant certs"));
}

absl::Status CheckPrivate(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return ErrnoStatus(errno, "cannot inspect", path);
  }
  if ((info.st_mode & (S_IWGRP | S_IRWXO)) == 0) return absl::OkStatus();
  return WithExitCode(
      absl::PermissionDeniedError(absl::StrCat(
          "secret open to others: file=", path, ", mode=0",
          absl::Hex((info.st_mode >> 6) & 7),
          absl::Hex((info.st_mode >> 3) & 7), absl::Hex(info.st_mode & 7),
          ", expected 0600 or 0400; chmod 0600 ", path)),
      ExitCode::kConfig);
}

absl::StatusOr<CertificateInfo> CheckTlsFiles(const TlsFiles& files,
                                              absl::Time now) {
  RETURN_IF_ERROR(CheckPrivate(files.key));
  ASSIGN_OR_RETURN(const std::string key, ReadFile(files.key, kMaxPemBytes));
  ASSIGN_OR_RETURN(const std::string ca, ReadFile(files.ca, kMaxPemBytes));
  ASSIGN_OR_RETURN(const std::string pem,
                   ReadFile(files.certificate, kMaxPemBytes));
  const auto chain = ReadPemCertificates(pem);
  if (chain.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no certificate: file=", files.certificate,
                     ", expected PEM (BEGIN CERTIFICATE); issue one with "
                     "operant certs"));
  }
  const CertificateInfo leaf = InfoOf(*chain[0]);
  RETURN_IF_ERROR(CheckKey(*chain[0], key, files));
  RETURN_IF_ERROR(CheckDates(leaf, files, now));
  RETURN_IF_ERROR(CheckChain(chain, ca, files, now));
  RETURN_IF_ERROR(IdentityOf(leaf).status());
  return leaf;
}

}  // namespace operant
