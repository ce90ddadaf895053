#include "common/base/sha256_stream.h"

#include <openssl/evp.h>

#include <cerrno>
#include <fstream>
#include <vector>

#include "common/base/file_io.h"

namespace operant {
namespace {

constexpr std::streamsize kPieceBytes = 1 << 20;

EVP_MD_CTX* Context(void* context) { return static_cast<EVP_MD_CTX*>(context); }

}  // namespace

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex(Context(context_), EVP_sha256(), nullptr);
}

Sha256Stream::~Sha256Stream() { EVP_MD_CTX_free(Context(context_)); }

void Sha256Stream::Update(const void* data, size_t bytes) {
  EVP_DigestUpdate(Context(context_), data, bytes);
}

std::string Sha256Stream::Finish() {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int bytes = 0;
  EVP_DigestFinal_ex(Context(context_),
                     reinterpret_cast<unsigned char*>(digest.data()), &bytes);
  digest.resize(bytes);
  return digest;
}

absl::StatusOr<FileDigest> DigestOfFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return ErrnoStatus(errno == 0 ? ENOENT : errno, "cannot open", path);
  }
  Sha256Stream sha256;
  FileDigest digest;
  std::vector<char> piece(kPieceBytes);
  while (file) {
    file.read(piece.data(), kPieceBytes);
    sha256.Update(piece.data(), static_cast<size_t>(file.gcount()));
    digest.bytes += static_cast<uint64_t>(file.gcount());
  }
  if (file.bad()) return ErrnoStatus(EIO, "cannot read", path);
  digest.sha256 = sha256.Finish();
  return digest;
}

}  // namespace operant
