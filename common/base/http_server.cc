#include "common/base/http_server.h"

#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/base/address.h"
#include "common/base/status_macros.h"
#include "httplib.h"

namespace operant {
namespace {

// Threads mostly wait: slow peers hold some, scrapers and probes get the rest.
constexpr size_t kThreads = 16;
// Two Prometheus servers at their shortest interval and people at `operant top`
// ask for less. Whoever asks for more is kept waiting, since each answer costs
// time of a core that trains.
constexpr absl::Duration kAnswerInterval = absl::Milliseconds(25);
constexpr int kAnswersAtOnce = 20;
// No request has a body; one that is not complete by then is given up.
constexpr size_t kMaxBodyBytes = 1024;
constexpr time_t kReadSeconds = 2;
constexpr time_t kWriteSeconds = 5;
// An idle kept-alive connection delays the server's end by at most this.
constexpr time_t kKeepAliveSeconds = 1;
constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";

// Spaces answers out once a burst is spent. Thread-safe.
class Pace {
 public:
  // Blocks until it is the caller's turn.
  void AwaitTurn() {
    absl::Time turn;
    {
      absl::MutexLock lock(&mu_);
      const absl::Time now = absl::Now();
      next_ = std::max(next_, now - kAnswersAtOnce * kAnswerInterval) +
              kAnswerInterval;
      turn = next_;
    }
    absl::SleepFor(turn - absl::Now());
  }

 private:
  absl::Mutex mu_;
  absl::Time next_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

class HttpServerImpl : public HttpServer {
 public:
  explicit HttpServerImpl(const Options& options) {
    server_.set_keep_alive_timeout(kKeepAliveSeconds);
    server_.set_read_timeout(kReadSeconds);
    server_.set_write_timeout(kWriteSeconds);
    server_.set_payload_max_length(kMaxBodyBytes);
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
    AddRoutes(options);
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
  void AddRoutes(const Options& options) {
    MetricRegistry* const metrics = options.metrics;
    AddPage(
        "/metrics", [metrics] { return metrics->Serialize(); }, kMetricsType);
    if (options.targets != nullptr)
      AddPage("/sd", options.targets, "application/json");
    Health* const health = options.health;
    AddProbe("startup", [health] { return health->startup(); });
    AddProbe("live", [health] { return health->live(absl::Now()); });
    AddProbe("ready", [health] { return health->ready(); });
  }

  void AddPage(const std::string& path, std::function<std::string()> content,
               const char* type) {
    server_.Get(path,
                [this, content = std::move(content), type](
                    const httplib::Request&, httplib::Response& response) {
                  pace_.AwaitTurn();
                  response.set_content(content(), type);
                });
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

  Pace pace_;
  httplib::Server server_;
  std::string address_;
  absl::Notification running_;
  std::thread thread_;  // runs server_
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Create(
    const std::string& address, const Options& options) {
  ASSIGN_OR_RETURN(const HostPort where, ParseHostPort(address));
  auto server = std::make_unique<HttpServerImpl>(options);
  RETURN_IF_ERROR(server->Listen(where));
  return server;
}

}  // namespace operant
