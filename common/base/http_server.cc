#include "common/base/http_server.h"

#include <sys/socket.h>

#include <functional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/base/address.h"
#include "common/base/status_macros.h"
#include "httplib.h"

namespace operant {
namespace {

// A scraper and a probe at the same time, and one to spare.
constexpr size_t kThreads = 3;
// An idle kept-alive connection delays the server's end by at most this.
constexpr time_t kKeepAliveSeconds = 1;
constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";

class HttpServerImpl : public HttpServer {
 public:
  HttpServerImpl(MetricRegistry* metrics, Health* health) {
    server_.set_keep_alive_timeout(kKeepAliveSeconds);
    // httplib's default is SO_REUSEPORT, by which two processes would share a
    // port without noticing.
    server_.set_socket_options([](socket_t fd) {
      const int on = 1;
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    });
    // httplib asks for its task queue once it runs: only from then on does
    // stop() work.
    server_.new_task_queue = [this] {
      running_.Notify();
      return new httplib::ThreadPool(kThreads);
    };
    AddRoutes(metrics, health);
  }

  ~HttpServerImpl() override {
    if (!thread_.joinable()) return;
    server_.stop();
    thread_.join();
  }

  absl::Status Listen(HostPort address) {
    RETURN_IF_ERROR(CheckCanListen(address));
    if (address.port == 0) {
      address.port = server_.bind_to_any_port(address.host);
      if (address.port < 0) return LostPort(address);
    } else if (!server_.bind_to_port(address.host, address.port)) {
      return LostPort(address);
    }
    address_ = address.ToString();
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    running_.WaitForNotification();
    return absl::OkStatus();
  }

  std::string address() const override { return address_; }

 private:
  void AddRoutes(MetricRegistry* metrics, Health* health) {
    server_.Get("/metrics", [metrics](const httplib::Request&,
                                      httplib::Response& response) {
      response.set_content(metrics->Serialize(), kMetricsType);
    });
    AddProbe("startup", [health] { return health->startup(); });
    AddProbe("live", [health] { return health->live(absl::Now()); });
    AddProbe("ready", [health] { return health->ready(); });
  }

  void AddProbe(const std::string& name,
                std::function<Health::Verdict()> probe) {
    server_.Get("/healthz/" + name,
                [probe = std::move(probe)](const httplib::Request&,
                                           httplib::Response& response) {
                  const Health::Verdict verdict = probe();
                  response.status = verdict.ok ? 200 : 503;
                  response.set_content(verdict.reason + "\n", "text/plain");
                });
  }

  httplib::Server server_;
  std::string address_;
  absl::Notification running_;
  std::thread thread_;  // runs server_
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Create(
    const std::string& address, MetricRegistry* metrics, Health* health) {
  ASSIGN_OR_RETURN(const HostPort where, ParseHostPort(address));
  auto server = std::make_unique<HttpServerImpl>(metrics, health);
  RETURN_IF_ERROR(server->Listen(where));
  return server;
}

}  // namespace operant
