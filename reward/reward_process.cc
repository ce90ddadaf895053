#include "reward/reward_process.h"

#include <algorithm>
#include <memory>

#include "absl/time/time.h"
#include "common/base/health.h"
#include "common/base/http_server.h"
#include "common/base/log.h"
#include "common/base/metric_registration.h"
#include "common/base/rpc.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "common/run/announcement.h"
#include "reward/reward_service.h"

namespace operant::reward {
namespace {

// Room for every client's batches in flight while all threads are busy; each
// request holds at most one message of 4 MiB.
constexpr size_t kQueueJobs = 64;
// Running calls take well under their deadline, which is 10 s by default.
constexpr absl::Duration kGrace = absl::Seconds(5);
constexpr absl::Duration kWakeInterval = absl::Seconds(1);

absl::Status Serve(const RewardServerOptions& options) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Scorer> scorer,
                   MakeScorer(options.config));
  const std::unique_ptr<MetricRegistry> metrics =
      CreateMetricsFor(MetricRole::kReward);
  Health health;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<HttpServer> http,
      HttpServer::Create(options.metrics,
                         {.metrics = metrics.get(), .health = &health}));

  const ScoreHandler handler(scorer.get(), ScoreLimits(), metrics.get());
  const int threads = std::max<int>(1, options.config.threads());
  ScoringPool pool(threads, kQueueJobs);
  RewardService service(&handler, &pool);
  ASSIGN_OR_RETURN(const std::unique_ptr<RpcServer> server,
                   RpcServer::Create({.address = options.listen,
                                      .services = {&service},
                                      .credentials = options.credentials,
                                      .metrics = metrics.get()}));

  health.SetStarted();
  health.SetReady(true, "serving");
  LogInfo("reward server serving", {{"address", server->address()},
                                    {"metrics", http->address()},
                                    {"scorer", options.config.scorer()},
                                    {"threads", threads}});
  RETURN_IF_ERROR(WriteAnnouncement(options.announce_path,
                                    {server->address(), http->address()}));
  while (SleepUnlessShutdown(kWakeInterval)) {
  }
  health.SetReady(false, "stopping");
  LogInfo("reward server stopping");
  server->Shutdown(kGrace);
  return absl::OkStatus();
}

}  // namespace

ExitCode RunRewardServer(const RewardServerOptions& options) {
  const absl::Status status = Serve(options);
  if (status.ok()) return ExitCode::kDone;
  LogError("reward server failed", {{"error", std::string(status.message())}});
  return ExitCodeFor(status);
}

}  // namespace operant::reward
