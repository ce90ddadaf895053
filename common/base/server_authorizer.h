// Puts authorization.h between gRPC and every service of a server.
#ifndef OPERANT_COMMON_BASE_SERVER_AUTHORIZER_H_
#define OPERANT_COMMON_BASE_SERVER_AUTHORIZER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/base/identity.h"
#include "common/base/token_file.h"
#include "grpcpp/security/auth_metadata_processor.h"

namespace operant::internal {

// Runs before any handler, for methods that do not exist, too. Thread-safe.
class ServerAuthorizer : public grpc::AuthMetadataProcessor {
 public:
  // `tokens` null: none is asked for.
  ServerAuthorizer(Identity self, std::shared_ptr<TokenFile> tokens);

  bool IsBlocking() const override { return false; }
  grpc::Status Process(const InputMetadata& metadata,
                       grpc::AuthContext* connection, OutputMetadata* consumed,
                       OutputMetadata* response) override;

 private:
  void LogDenial(std::string_view method, const absl::Status& reason);

  const Identity self_;
  const std::shared_ptr<TokenFile> tokens_;
  // Denials are logged once a second at most: a peer must not fill the disk.
  std::atomic<int64_t> last_logged_second_ = 0;
  std::atomic<int64_t> unlogged_ = 0;
};

}  // namespace operant::internal

#endif  // OPERANT_COMMON_BASE_SERVER_AUTHORIZER_H_
