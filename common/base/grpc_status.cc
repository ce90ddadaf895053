#include "common/base/grpc_status.h"

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace operant {
namespace {

constexpr size_t kMaxMessageBytes = 1024;

bool IsUtf8Continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

std::string CutAtCharacter(absl::string_view text) {
  if (text.size() <= kMaxMessageBytes) return std::string(text);
  size_t end = kMaxMessageBytes;
  while (end > 0 && IsUtf8Continuation(text[end])) --end;
  return std::string(text.substr(0, end));
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      CutAtCharacter(status.message()));
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      status.error_message());
}

}  // namespace operant
