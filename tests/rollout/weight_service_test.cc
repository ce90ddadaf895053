// A learner's pushes to a worker over loopback.
#include "rollout/weight_service.h"

#include <algorithm>
#include <memory>

#include "absl/time/clock.h"
#include "common/base/grpc_status.h"
#include "common/base/rpc.h"
#include "common/nn/weight_rpc.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "tests/testing/fake_generation_engine.h"
#include "tests/testing/tiny_weights.h"

namespace operant::rollout {
namespace {

std::shared_ptr<const SealedWeights> Seal(uint64_t version) {
  return *SealWeights(TinyImage(version), version, ModelDigest(TinyModel()),
                      /*chunk_bytes=*/256);
}

absl::Time Soon() { return absl::Now() + absl::Seconds(5); }

class WeightServiceTest : public ::testing::Test {
 protected:
  WeightServiceTest()
      : metrics_(MetricRegistry::Create()),
        loader_({.model = TinyModel(),
                 .engine = &engine_,
                 .metrics = metrics_.get(),
                 .health = &health_}),
        server_(*RpcServer::Create({.services = {&service_}})),
        channel_(MakeChannel(server_->address())),
        stub_(v1::WeightService::NewStub(channel_)) {
    service_.Serve(&loader_);
  }

  absl::StatusOr<v1::PushResponse> Push(uint64_t version) {
    return PushWeights(channel_, Seal(version), Soon());
  }

  // Sends the first `frames` of a version, then ends the stream cleanly.
  absl::Status PushCut(uint64_t version, size_t frames) {
    grpc::ClientContext context;
    SetDeadline(context, absl::Seconds(5));
    v1::PushResponse response;
    const auto stream = stub_->Push(&context, &response);
    WriteFrames(*stream, version, frames);
    stream->WritesDone();
    return FromGrpcStatus(stream->Finish());
  }

  static void WriteFrames(grpc::ClientWriterInterface<v1::WeightFrame>& stream,
                          uint64_t version, size_t frames) {
    WeightFrameWriter writer(Seal(version));
    grpc::ByteBuffer buffer;
    for (size_t i = 0; i < frames && writer.Next(buffer); ++i) {
      v1::WeightFrame frame;
      ASSERT_TRUE(grpc::SerializationTraits<v1::WeightFrame>::Deserialize(
                      &buffer, &frame)
                      .ok());
      if (!stream.Write(frame)) return;
    }
  }

  v1::GetWeightStatusResponse Status() {
    grpc::ClientContext context;
    SetDeadline(context, absl::Seconds(5));
    v1::GetWeightStatusResponse response;
    EXPECT_TRUE(stub_->GetStatus(&context, {}, &response).ok());
    return response;
  }

  FakeGenerationEngine engine_;
  Health health_;
  std::unique_ptr<MetricRegistry> metrics_;
  WeightLoader loader_;
  WeightService service_;
  std::unique_ptr<RpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::WeightService::Stub> stub_;
};

TEST_F(WeightServiceTest, APushBecomesActiveAndIsAcknowledgedWithItsDigest) {
  const auto sealed = Seal(3);
  EXPECT_FALSE(health_.ready().ok);
  const auto response = PushWeights(channel_, sealed, Soon());
  ASSERT_EQ(response.status(), absl::OkStatus());
  EXPECT_EQ(response->policy_version(), 3u);
  EXPECT_EQ(response->manifest_sha256(), sealed->manifest_sha256);
  EXPECT_EQ(response->swap_pause_ns(), 1000u);
  const ActivePolicy active = engine_.active();
  EXPECT_EQ(active.version, 3u);
  EXPECT_EQ(active.weights_digest, sealed->manifest_sha256);
  const auto& packed = dynamic_cast<const FakePackedWeights&>(*active.weights);
  EXPECT_TRUE(std::ranges::equal(packed.bytes, sealed->image->bytes()));
  EXPECT_TRUE(health_.ready().ok);
}

TEST_F(WeightServiceTest, TakesFramesOfAStockProtobufClient) {
  EXPECT_EQ(PushCut(3, 1000), absl::OkStatus());
  EXPECT_EQ(engine_.active().version, 3u);
}

TEST_F(WeightServiceTest, AnOlderVersionIsRefused) {
  ASSERT_TRUE(Push(3).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Push(3).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Push(2).status()));
  EXPECT_EQ(engine_.active().version, 3u);
  EXPECT_TRUE(Push(4).ok());
}

TEST_F(WeightServiceTest, ACutPushLeavesTheActiveVersion) {
  ASSERT_TRUE(Push(3).ok());
  const size_t frames = WeightFrameWriter(Seal(4)).frames();
  for (size_t n = 0; n < frames; ++n) {
    EXPECT_TRUE(absl::IsDataLoss(PushCut(4, n))) << n;
  }
  EXPECT_EQ(engine_.active().version, 3u);
  EXPECT_EQ(Push(4).status(), absl::OkStatus());
}

TEST_F(WeightServiceTest, ADigestOtherThanThePublishedIsRefused) {
  loader_.Publish({3, std::string(32, 'x')});
  EXPECT_TRUE(absl::IsDataLoss(Push(3).status()));
  EXPECT_FALSE(engine_.status().has_weights);
}

TEST_F(WeightServiceTest, OneTransferAtATime) {
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(5));
  v1::PushResponse response;
  const auto first = stub_->Push(&context, &response);
  WriteFrames(*first, 3, 2);
  while (!Status().staging()) {
  }
  EXPECT_EQ(Status().staging_version(), 3u);
  EXPECT_TRUE(absl::IsResourceExhausted(Push(4).status()));
  // The first one goes away; the next push gets through.
  context.TryCancel();
  EXPECT_TRUE(absl::IsCancelled(FromGrpcStatus(first->Finish())));
  absl::Status second = Push(4).status();
  while (absl::IsResourceExhausted(second)) second = Push(4).status();
  EXPECT_EQ(second, absl::OkStatus());
}

TEST_F(WeightServiceTest, AFailedSwapLeavesTheOldVersionAndAllowsAnother) {
  ASSERT_TRUE(Push(3).ok());
  engine_.set_swap_error(absl::DeadlineExceededError("no boundary"));
  EXPECT_TRUE(absl::IsDeadlineExceeded(Push(4).status()));
  EXPECT_EQ(Status().active_version(), 3u);
  engine_.set_swap_error(absl::OkStatus());
  EXPECT_EQ(Push(4).status(), absl::OkStatus());
}

TEST_F(WeightServiceTest, CountsBytesAndFailures) {
  ASSERT_TRUE(Push(3).ok());
  ASSERT_FALSE(Push(3).ok());
  const std::string text = metrics_->Serialize();
  EXPECT_NE(text.find("operant_weights_serving_version 3"), std::string::npos);
  EXPECT_NE(text.find("operant_weights_load_failures_total{code=\""
                      "FAILED_PRECONDITION\"} 1"),
            std::string::npos);
}

TEST(WeightServiceStartTest, AnswersUnavailableBeforeItServes) {
  WeightService service;
  const auto server = *RpcServer::Create({.services = {&service}});
  const auto answer =
      PushWeights(MakeChannel(server->address()), Seal(1), Soon());
  EXPECT_TRUE(absl::IsUnavailable(answer.status()));
}

}  // namespace
}  // namespace operant::rollout
