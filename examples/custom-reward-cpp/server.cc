// A reward server in C++: the shorter the response, the better.
#include <grpcpp/grpcpp.h>

#include <cstdio>

#include "operant/v1/reward.grpc.pb.h"

namespace pb = operant::v1;

class ShortReward final : public pb::RewardService::Service {
  grpc::Status GetInfo(grpc::ServerContext*, const pb::GetInfoRequest*,
                       pb::GetInfoResponse* info) override {
    info->set_name("short");
    info->set_version("1");
    info->set_api_level(1);
    info->add_needs(pb::GetInfoResponse::TEXT);
    info->set_deterministic(true);
    return grpc::Status::OK;
  }

  grpc::Status Score(grpc::ServerContext*, const pb::ScoreRequest* request,
                     pb::ScoreResponse* response) override {
    response->set_request_id(request->request_id());
    for (const pb::ScoreItem& item : request->items()) {
      pb::ScoreResult& result = *response->add_results();
      result.set_id(item.id());
      result.set_score(-1e-3 * static_cast<double>(item.response().size()));
    }
    return grpc::Status::OK;
  }
};

int main(int argc, char** argv) {
  ShortReward service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(argc > 1 ? argv[1] : "127.0.0.1:50061",
                           grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr || port == 0) return 1;
  std::printf("reward server on port %d\n", port);
  std::fflush(stdout);
  server->Wait();
}
