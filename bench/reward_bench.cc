// Items a second through the reward gateway, validation and lineage on, the
// cache off: to a C++ server, to the Python SDK, and what the gateway itself
// costs per item.
//
// Load: 512 B prompt, 1 KiB response, 256 response ids, batches of 64. Servers
// are processes of their own, so the gateway's CPU time is its process's.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/report.h"
#include "common/base/log.h"
#include "common/base/rpc.h"
#include "common/base/status_macros.h"
#include "common/reward_client/gateway.h"
#include "operant/v1/reward.grpc.pb.h"

namespace operant::bench {
namespace {

constexpr int kItems = 2048;  // of one step
constexpr int kBatchItems = 64;
constexpr int kInflight = 8;
constexpr int kWarmUps = 2;
constexpr absl::Duration kTime = absl::Seconds(4);  // a row

constexpr char kPythonServer[] =
    "import operant_reward\n"
    "operant_reward.serve(lambda item: -len(item.response) / 1000,\n"
    "                     '127.0.0.1:0', workers=8)\n";

// A rule that costs next to nothing: what is measured is the way there.
class ShortReward final : public v1::RewardService::Service {
  grpc::Status GetInfo(grpc::ServerContext*, const v1::GetInfoRequest*,
                       v1::GetInfoResponse* info) override {
    info->set_name("short");
    info->set_version("1");
    info->set_api_level(1);
    info->set_max_inflight_batches(kInflight);
    info->add_needs(v1::GetInfoResponse::TEXT);
    info->add_needs(v1::GetInfoResponse::TOKEN_IDS);
    return grpc::Status::OK;
  }
  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override {
    response->set_request_id(request->request_id());
    for (const v1::ScoreItem& item : request->items()) {
      v1::ScoreResult& result = *response->add_results();
      result.set_id(item.id());
      result.set_score(-1e-3 * static_cast<double>(item.response().size()));
    }
    return grpc::Status::OK;
  }
};

// A server process that writes "reward server on port N" to its standard
// output. `serve` does not return.
class ServerProcess {
 public:
  explicit ServerProcess(void (*serve)()) {
    int fds[2];
    if (pipe(fds) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      dup2(fds[1], STDOUT_FILENO);
      serve();
      _exit(1);
    }
    close(fds[1]);
    FILE* said = fdopen(fds[0], "r");
    int port = 0;
    if (std::fscanf(said, "reward server on port %d", &port) == 1) {
      address_ = absl::StrCat("127.0.0.1:", port);
    }
    std::fclose(said);
  }
  ~ServerProcess() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& address() const { return address_; }  // "": none

 private:
  pid_t pid_ = -1;
  std::string address_;
};

void ServeCpp() {
  ShortReward service;
  auto server = RpcServer::Create({"127.0.0.1:0", {&service}});
  if (!server.ok()) return;
  const std::string address = (*server)->address();
  std::printf("reward server on port %s\n",
              address.substr(address.rfind(':') + 1).c_str());
  std::fflush(stdout);
  pause();
}

void ServePython() {
  setenv("PYTHONPATH", OPERANT_PYTHON_SDK, 1);
  setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
  execl("/usr/bin/python3", "python3", "-c", kPythonServer, nullptr);
}

std::vector<v1::ScoreItem> Items() {
  std::vector<v1::ScoreItem> items(kItems);
  for (int i = 0; i < kItems; ++i) {
    items[i].set_id(absl::StrCat("0123456789abcdef0123456789ab", 1000 + i));
    items[i].set_group_id(absl::StrCat("prompt-", i / 8));
    items[i].set_prompt(std::string(512, 'p'));
    items[i].set_response(std::string(1024, 'r'));
    for (int id = 0; id < 256; ++id) {
      items[i].add_response_token_ids(id * 97);
    }
    items[i].set_finish(v1::FINISH_REASON_STOP);
    items[i].set_ground_truth("42");
  }
  return items;
}

v1::RewardSection Config(const std::string& address) {
  v1::RewardSection config;
  config.set_batch_items(kBatchItems);
  config.set_max_retries(1);
  config.set_on_error("fail");
  config.set_drop_limit(0.05);
  config.set_max_abs_score(1e6);
  config.set_unavailable_wait_ms(10'000);
  config.set_breaker_failures(5);
  v1::RewardEndpoint& endpoint = *config.add_endpoints();
  endpoint.set_name("bench");
  endpoint.set_address(address);
  endpoint.set_weight(1);
  endpoint.set_deadline_ms(30'000);
  return config;
}

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) +
           1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Samples {
  std::vector<double> items_per_second;
  std::vector<double> cpu_us_per_item;
};

absl::StatusOr<Samples> Measure(const std::string& address) {
  const auto metrics = MetricRegistry::Create();
  ASSIGN_OR_RETURN(
      const auto gateway,
      RewardGateway::Create({Config(address), "bench", ""}, metrics.get()));
  RETURN_IF_ERROR(gateway->Handshake());
  const std::vector<v1::ScoreItem> items = Items();
  Samples samples;
  const absl::Time end = absl::Now() + kTime;
  for (int step = 0; step < kWarmUps + 3 || absl::Now() < end; ++step) {
    std::vector<v1::ScoreItem> copy = items;
    const absl::Time start = absl::Now();
    const double cpu = CpuSeconds();
    RETURN_IF_ERROR(gateway->Score(std::move(copy), step, false).status());
    if (step < kWarmUps) continue;
    samples.items_per_second.push_back(
        kItems / absl::ToDoubleSeconds(absl::Now() - start));
    samples.cpu_us_per_item.push_back(1e6 * (CpuSeconds() - cpu) / kItems);
  }
  return samples;
}

absl::Status Run() {
  // Forked before this process has threads.
  const ServerProcess cpp(&ServeCpp);
  const ServerProcess python(&ServePython);
  if (cpp.address().empty()) {
    return absl::UnavailableError("the C++ server did not start");
  }
  ASSIGN_OR_RETURN(const Samples to_cpp, Measure(cpp.address()));
  std::vector<Row> rows = {
      MedianRow("gateway-cpp", "items/s", to_cpp.items_per_second),
      MedianRow("gateway-cpu", "us/item", to_cpp.cpu_us_per_item)};
  if (python.address().empty()) {
    std::printf(
        "gateway-python: NOT MEASURED: no Python with grpc; install "
        "python3-grpcio and python3-protobuf\n");
  } else {
    ASSIGN_OR_RETURN(const Samples to_python, Measure(python.address()));
    rows.push_back(
        MedianRow("gateway-python", "items/s", to_python.items_per_second));
  }
  return Report("reward_bench", rows);
}

}  // namespace
}  // namespace operant::bench

int main() {
  const absl::Status status = operant::bench::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "reward_bench: %s\n",
               std::string(status.message()).c_str());
  return 1;
}
