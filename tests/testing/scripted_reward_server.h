// A reward server on loopback that does what a test tells it, good or bad.
#ifndef OPERANT_TESTS_TESTING_SCRIPTED_REWARD_SERVER_H_
#define OPERANT_TESTS_TESTING_SCRIPTED_REWARD_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/rpc.h"
#include "gtest/gtest.h"
#include "operant/v1/reward.grpc.pb.h"

namespace operant::testing {

// What a well-behaved server would say: score 0.5 for every item.
inline v1::ScoreResponse HonestAnswer(const v1::ScoreRequest& request) {
  v1::ScoreResponse response;
  response.set_request_id(request.request_id());
  for (const v1::ScoreItem& item : request.items()) {
    v1::ScoreResult& result = *response.add_results();
    result.set_id(item.id());
    result.set_score(0.5);
  }
  return response;
}

// Thread-safe. Serves from construction until Stop() or destruction.
class ScriptedRewardServer : public v1::RewardService::Service {
 public:
  // Called with the number of the call (from 0), the request, and the honest
  // answer to spoil.
  using Script = std::function<grpc::Status(int, const v1::ScoreRequest&,
                                            v1::ScoreResponse&)>;

  static Script Honest() {
    return [](int, const v1::ScoreRequest&, v1::ScoreResponse&) {
      return grpc::Status::OK;
    };
  }

  explicit ScriptedRewardServer(Script script = Honest())
      : script_(std::move(script)) {
    info_.set_name("scripted");
    info_.set_version("1");
    info_.set_api_level(1);
    info_.add_needs(v1::GetInfoResponse::TEXT);
    Start("127.0.0.1:0");
  }
  ~ScriptedRewardServer() override { Stop(); }

  void Start(const std::string& address) {
    auto server = RpcServer::Create({address, {this}});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    address_ = server_->address();
  }
  void Stop() {
    if (server_ != nullptr) server_->Shutdown(absl::ZeroDuration());
    server_.reset();
  }

  // Changes what GetInfo says; call before the handshake.
  v1::GetInfoResponse& info() { return info_; }
  const std::string& address() const { return address_; }
  std::vector<v1::ScoreRequest> requests() const {
    absl::MutexLock lock(&mu_);
    return requests_;
  }

  grpc::Status GetInfo(grpc::ServerContext*, const v1::GetInfoRequest*,
                       v1::GetInfoResponse* response) override {
    *response = info_;
    return grpc::Status::OK;
  }

  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override {
    int call = 0;
    {
      absl::MutexLock lock(&mu_);
      call = static_cast<int>(requests_.size());
      requests_.push_back(*request);
    }
    *response = HonestAnswer(*request);
    return script_(call, *request, *response);
  }

 private:
  const Script script_;
  v1::GetInfoResponse info_;
  std::string address_;
  std::unique_ptr<RpcServer> server_;
  mutable absl::Mutex mu_;
  std::vector<v1::ScoreRequest> requests_ ABSL_GUARDED_BY(mu_);
};

}  // namespace operant::testing

#endif  // OPERANT_TESTS_TESTING_SCRIPTED_REWARD_SERVER_H_
