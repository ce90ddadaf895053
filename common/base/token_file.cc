#include "common/base/token_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/certificate.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "openssl/crypto.h"
#include "openssl/rand.h"

namespace operant {
namespace {

constexpr uint64_t kMaxFileBytes = 1 << 16;
constexpr size_t kMinTokenBytes = 16;
constexpr int kRandomBytes = 32;

// What RFC 6750 lets a bearer token consist of.
bool IsTokenCharacter(char c) {
  return absl::ascii_isalnum(c) ||
         absl::string_view("-._~+/=").find(c) != absl::string_view::npos;
}

absl::StatusOr<std::vector<std::string>> ReadTokens(const std::string& path) {
  RETURN_IF_ERROR(CheckPrivate(path));
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  std::vector<std::string> tokens;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') continue;
    if (line.size() < kMinTokenBytes ||
        !std::all_of(line.begin(), line.end(), IsTokenCharacter)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "not a token: file=", path, ", line=", tokens.size() + 1,
          ", expected at least ", kMinTokenBytes,
          " of A-Z a-z 0-9 - . _ ~ + / =; operant certs token writes one"));
    }
    tokens.emplace_back(line);
  }
  if (!tokens.empty()) return tokens;
  return absl::InvalidArgumentError(
      absl::StrCat("no token: file=", path,
                   ", expected one a line; operant certs token writes one"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<TokenFile>> TokenFile::Open(
    const std::string& path, absl::Duration reload) {
  ASSIGN_OR_RETURN(std::vector<std::string> tokens, ReadTokens(path));
  return std::shared_ptr<TokenFile>(
      new TokenFile(path, reload, std::move(tokens)));
}

TokenFile::TokenFile(const std::string& path, absl::Duration reload,
                     std::vector<std::string> tokens)
    : path_(path), reload_(reload), tokens_(std::move(tokens)) {}

void TokenFile::Refresh(absl::Time now) {
  if (now < next_look_) return;
  next_look_ = now + reload_;
  absl::StatusOr<std::vector<std::string>> tokens = ReadTokens(path_);
  if (tokens.ok()) {
    tokens_ = *std::move(tokens);
  } else {
    LogWarning("token file unusable, the earlier tokens hold",
               {{"status", tokens.status().ToString()}});
  }
}

std::string TokenFile::Current(absl::Time now) {
  absl::MutexLock lock(&mu_);
  Refresh(now);
  return tokens_.front();
}

bool TokenFile::Accepts(std::string_view token, absl::Time now) {
  // Digests are of equal size, so that the comparison takes equal time.
  const std::string digest = Sha256(token);
  absl::MutexLock lock(&mu_);
  Refresh(now);
  bool accepted = false;
  for (const std::string& known : tokens_) {
    accepted |=
        CRYPTO_memcmp(Sha256(known).data(), digest.data(), digest.size()) == 0;
  }
  return accepted;
}

std::string RandomToken() {
  std::string bytes(kRandomBytes, '\0');
  // Fails only where the system has no randomness at all.
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()),
                 kRandomBytes) != 1) {
    return "";
  }
  return absl::BytesToHexString(bytes);
}

}  // namespace operant
