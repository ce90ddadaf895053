// The one HTTP port of every process: /metrics,
// /healthz/{startup,live,ready} (200 or 503, a line of text saying why) and, on
// a learner, /sd (Prometheus' http_sd).
//
// Whatever peers do, it costs the process little: answers of the pages are
// paced, requests have no bodies, slow peers are given up.
#ifndef OPERANT_COMMON_BASE_HTTP_SERVER_H_
#define OPERANT_COMMON_BASE_HTTP_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/health.h"
#include "common/base/metrics.h"

namespace operant {

class HttpServer {
 public:
  // Not owned; must outlive the server.
  struct Options {
    MetricRegistry* metrics = nullptr;
    Health* health = nullptr;
    // What /sd answers; null: there is no such page.
    std::function<std::string()> targets;
  };
  // Listens on `address` ("127.0.0.1:0": a free port) and serves from its own
  // threads until destroyed. Errors: InvalidArgument (malformed address),
  // FailedPrecondition (the port is in use; the message names it).
  static absl::StatusOr<std::unique_ptr<HttpServer>> Create(
      const std::string& address, const Options& options);
  virtual ~HttpServer() = default;

  // host:port actually bound.
  virtual std::string address() const = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_HTTP_SERVER_H_
