// A push of a 100 MB model over loopback gRPC, the whole protocol (sealing,
// digests, staging, acknowledgement), against a raw TCP copy of the same bytes.
//
// Two processes: the parent is the learner, the child the worker. Both copies
// go from the same image in the parent to warm memory in the child. The worker
// does not pack: packing depends on the engine, not on the transport. Each
// push is made in plaintext and over mutual TLS, in turns.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/report.h"
#include "common/base/certificate_authority.h"
#include "common/base/credentials.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/base/philox.h"
#include "common/base/rpc.h"
#include "common/base/status_macros.h"
#include "common/nn/weight_rpc.h"
#include "common/nn/weight_stream.h"
#include "rollout/transfer_memory.h"
#include "rollout/weight_loader.h"
#include "rollout/weight_service.h"

namespace operant::bench {
namespace {

constexpr int kPairs = 9;
constexpr int kWarmUps = 2;
constexpr size_t kAddressBytes = 64;

ModelConfig Model() {
  ModelConfig config;
  config.vocab_size = 4096;
  config.hidden_size = 512;
  config.intermediate_size = 1408;
  config.num_hidden_layers = 7;
  config.num_attention_heads = 8;
  config.num_key_value_heads = 8;
  config.head_dim = 64;
  config.max_position_embeddings = 1024;
  config.tie_word_embeddings = true;
  return config;
}

// Random bytes: nothing on the way can profit from zeros.
std::shared_ptr<const WeightImage> RandomImage() {
  auto image = std::make_shared<WeightImage>(
      WeightImage::ForModel(Model(), WeightType::kF32));
  const std::span<std::byte> bytes = image->bytes();
  for (size_t i = 0; i + sizeof(uint64_t) <= bytes.size();
       i += sizeof(uint64_t)) {
    const uint64_t value = PhiloxUint64(1, 0, i);
    std::memcpy(bytes.data() + i, &value, sizeof(value));
  }
  return image;
}

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

void Check(bool ok, const char* what) {
  if (!ok) Die(what);
}

// Both directions of a blocking socket, whole buffers only.
void SendAll(int fd, const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t sent = send(fd, at, bytes, MSG_NOSIGNAL);
    Check(sent > 0, "send");
    at += sent;
    bytes -= static_cast<size_t>(sent);
  }
}

// False at the end of the stream.
bool ReceiveAll(int fd, void* data, size_t bytes) {
  char* at = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t got = recv(fd, at, bytes, 0);
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

int Listen() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(0);
  Check(bind(fd, reinterpret_cast<const sockaddr*>(&address),
             sizeof(address)) == 0,
        "bind");
  Check(listen(fd, 1) == 0, "listen");
  return fd;
}

uint16_t PortOf(int fd) {
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  Check(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0,
        "getsockname");
  return ntohs(address.sin_port);
}

int Connect(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  Check(connect(fd, reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) == 0,
        "connect");
  return fd;
}

// The worker's engine with nothing to decode and nothing to pack.
class IdleEngine : public rollout::GenerationEngine {
 public:
  absl::Status Submit(std::vector<rollout::SampleRequest>) override {
    return absl::UnavailableError("no decoding in this benchmark");
  }
  int Cancel(const std::vector<std::string>&) override { return 0; }
  absl::StatusOr<int64_t> Swap(rollout::ActivePolicy, absl::Time) override {
    return 0;
  }
  absl::StatusOr<std::shared_ptr<const PackedWeights>> Pack(
      const WeightImage&) const override {
    return std::make_shared<PackedWeights>();
  }
  Status status() const override { return {}; }
  bool WaitIdle(absl::Time) override { return true; }
  int AbortAll() override { return 0; }
};

std::string LeafFor(const KeyedCertificate& authority, const char* role,
                    const Validity& validity) {
  const auto leaf = IssueLeaf(
      authority,
      {.names = {absl::StrCat("URI:spiffe://operant/bench/", role, "/1")},
       .validity = validity});
  Check(leaf.ok(), "issue a certificate");
  return leaf->key + leaf->certificate;
}

// A folder as `operant certs create` makes it, for both processes.
class Certificates {
 public:
  Certificates() {
    Check(mkdtemp(folder_) != nullptr, "mkdtemp");
    const Validity validity{absl::Now() - absl::Hours(1),
                            absl::Now() + absl::Hours(100)};
    const auto authority = CreateAuthority("bench", validity);
    Check(authority.ok(), "create an authority");
    Write("ca.crt", authority->certificate);
    Write("learner.pem", LeafFor(*authority, "learner", validity));
    Write("rollout.pem", LeafFor(*authority, "rollout", validity));
  }

  std::shared_ptr<const Credentials> LoadFor(v1::Role role) const {
    v1::SecuritySection security;
    security.set_certs(folder_);
    security.set_trust_domain("operant");
    security.set_reload_seconds(60);
    return *Credentials::Load(security, {.role = role, .run = "bench"});
  }

  void Remove() const { RemoveTree(folder_).IgnoreError(); }

 private:
  void Write(const char* name, const std::string& text) const {
    const mode_t mask = umask(077);
    Check(WriteFileAtomically(JoinPath(folder_, name), text).ok(), name);
    umask(mask);
  }

  char folder_[32] = "/tmp/operant_bench_XXXXXX";
};

void SendAddress(int parent, std::string address) {
  address.resize(kAddressBytes, '\0');
  SendAll(parent, address.data(), address.size());
}

std::string ReceiveAddress(int worker) {
  std::string address(kAddressBytes, '\0');
  Check(ReceiveAll(worker, address.data(), address.size()), "recv");
  return address.c_str();
}

// The child: says where its gRPC servers are, then takes raw copies until the
// parent closes the connection.
int RunWorker(int listener, const Certificates& certificates) {
  const int parent = accept(listener, nullptr, nullptr);
  Check(parent >= 0, "accept");
  rollout::KeepTransferMemory();
  InitLogging({.role = "rollout", .level = LogLevel::kWarning});
  IdleEngine engine;
  const auto metrics = MetricRegistry::Create();
  rollout::WeightLoader loader(
      {.model = Model(), .engine = &engine, .metrics = metrics.get()});
  rollout::WeightService service, encrypted_service;
  service.Serve(&loader);
  encrypted_service.Serve(&loader);
  const auto server = *RpcServer::Create({.services = {&service}});
  const auto encrypted = *RpcServer::Create(
      {.services = {&encrypted_service},
       .credentials = certificates.LoadFor(v1::ROLE_ROLLOUT)});
  SendAddress(parent, server->address());
  SendAddress(parent, encrypted->address());
  WeightImage destination = WeightImage::ForModel(Model(), WeightType::kF32);
  const std::span<std::byte> bytes = destination.bytes();
  while (ReceiveAll(parent, bytes.data(), bytes.size())) {
    SendAll(parent, "A", 1);
  }
  return 0;
}

double SecondsSince(absl::Time begun) {
  return absl::ToDoubleSeconds(absl::Now() - begun);
}

double RawCopySeconds(int worker, const WeightImage& image) {
  const absl::Time begun = absl::Now();
  SendAll(worker, image.bytes().data(), image.bytes().size());
  char acknowledged = 0;
  Check(ReceiveAll(worker, &acknowledged, 1), "recv");
  return SecondsSince(begun);
}

struct PushSeconds {
  double seal = 0;
  double total = 0;  // sealing included
};

absl::StatusOr<PushSeconds> Push(const std::shared_ptr<grpc::Channel>& channel,
                                 std::shared_ptr<const WeightImage> image,
                                 uint64_t version) {
  const absl::Time begun = absl::Now();
  PushSeconds seconds;
  ASSIGN_OR_RETURN(auto sealed, SealWeights(std::move(image), version,
                                            ModelDigest(Model())));
  seconds.seal = SecondsSince(begun);
  RETURN_IF_ERROR(
      PushWeights(channel, sealed, absl::Now() + absl::Seconds(30)).status());
  seconds.total = SecondsSince(begun);
  return seconds;
}

struct Samples {
  std::vector<double> ratio, sent_ratio, tcp, push, seal, tls, tls_ratio;
};

struct Channels {
  std::shared_ptr<grpc::Channel> plaintext, tls;
};

absl::StatusOr<Samples> Measure(int worker, const Channels& channels) {
  const std::shared_ptr<const WeightImage> image = RandomImage();
  const double gigabytes = static_cast<double>(image->bytes().size()) / 1e9;
  Samples samples;
  for (int i = 0; i < kWarmUps + kPairs; ++i) {
    const double raw = RawCopySeconds(worker, *image);
    ASSIGN_OR_RETURN(const PushSeconds push,
                     Push(channels.plaintext, image, uint64_t{2} * i));
    ASSIGN_OR_RETURN(const PushSeconds tls,
                     Push(channels.tls, image, uint64_t{2} * i + 1));
    if (i < kWarmUps) continue;
    samples.ratio.push_back(raw / push.total);
    samples.sent_ratio.push_back(raw / (push.total - push.seal));
    samples.tcp.push_back(gigabytes / raw);
    samples.push.push_back(gigabytes / push.total);
    samples.seal.push_back(push.seal);
    samples.tls.push_back(gigabytes / tls.total);
    samples.tls_ratio.push_back(push.total / tls.total);
  }
  return samples;
}

std::vector<Row> Rows(const Samples& samples) {
  std::vector<Row> rows = {
      MedianRow("push-tcp", "x", samples.ratio),
      MedianRow("push-tcp-sealed", "x", samples.sent_ratio),
      MedianRow("tcp", "GB/s", samples.tcp),
      MedianRow("push", "GB/s", samples.push),
      MedianRow("seal", "s", samples.seal),
      MedianRow("push-tls", "GB/s", samples.tls),
      MedianRow("push-tls-plaintext", "x", samples.tls_ratio)};
  rows[0].against = rows[1].against = "raw TCP copy, loopback, same bytes";
  rows[0].note = "digests of both sides and the acknowledgement included";
  rows[1].note = "as for every worker after the first: sealed once a version";
  rows[4].note = "the sender's digests, one pass, one thread";
  rows[6].against = "the same push in plaintext";
  return rows;
}

absl::Status RunLearner(uint16_t port, const Certificates& certificates) {
  const int worker = Connect(port);
  Channels channels;
  channels.plaintext = MakeChannel(ReceiveAddress(worker));
  channels.tls = MakeChannel(
      ReceiveAddress(worker),
      certificates.LoadFor(v1::ROLE_LEARNER)->ForPeer(v1::ROLE_ROLLOUT));
  const absl::StatusOr<Samples> samples = Measure(worker, channels);
  close(worker);
  RETURN_IF_ERROR(samples.status());
  return Report("push", Rows(*samples));
}

int Main() {
  const Certificates certificates;
  const int listener = Listen();
  const pid_t child = fork();  // before gRPC starts a thread
  Check(child >= 0, "fork");
  if (child == 0) return RunWorker(listener, certificates);
  const absl::Status status = RunLearner(PortOf(listener), certificates);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  waitpid(child, nullptr, 0);
  certificates.Remove();
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace operant::bench

int main() { return operant::bench::Main(); }
