// The one HTTP port of every process: /metrics and
// /healthz/{startup,live,ready} (200 or 503, a line of text saying why).
#ifndef OPERANT_COMMON_BASE_HTTP_SERVER_H_
#define OPERANT_COMMON_BASE_HTTP_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/health.h"
#include "common/base/metrics.h"

namespace operant {

class HttpServer {
 public:
  // Listens on `address` ("127.0.0.1:0": a free port) and serves from its own
  // thread until destroyed. `metrics` and `health` are not owned and must
  // outlive the server. Errors: InvalidArgument (malformed address),
  // FailedPrecondition (the port is in use; the message names it).
  static absl::StatusOr<std::unique_ptr<HttpServer>> Create(
      const std::string& address, MetricRegistry* metrics, Health* health);
  virtual ~HttpServer() = default;

  // host:port actually bound.
  virtual std::string address() const = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_HTTP_SERVER_H_
