#include "common/nn/weight_rpc.h"

#include <optional>
#include <utility>

#include "absl/synchronization/notification.h"
#include "common/base/grpc_status.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/impl/codegen/proto_utils.h"

namespace operant {
namespace {

using RawClientReactor =
    grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;
using RawStub = grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer>;

constexpr char kPush[] = "/operant.v1.WeightService/Push";
constexpr char kFetch[] = "/operant.v1.WeightSourceService/Fetch";

template <typename Message>
absl::StatusOr<Message> Parse(grpc::ByteBuffer buffer) {
  Message message;
  const grpc::Status status =
      grpc::SerializationTraits<Message>::Deserialize(&buffer, &message);
  if (status.ok()) return message;
  return absl::InvalidArgumentError(
      "weight call: the message does not parse, expected the protocol's; "
      "run the same version on both sides");
}

grpc::ByteBuffer Serialise(const google::protobuf::Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

// Owns itself from Start() until OnDone().
class PushCall final : public RawClientReactor {
 public:
  PushCall(std::shared_ptr<grpc::Channel> channel,
           std::shared_ptr<const SealedWeights> weights,
           std::shared_ptr<grpc::ClientContext> context,
           std::function<void(absl::StatusOr<v1::PushResponse>)> done)
      : stub_(std::move(channel)),
        context_(std::move(context)),
        writer_(std::move(weights)),
        done_(std::move(done)) {}

  void Start() {
    stub_.PrepareBidiStreamingCall(context_.get(), kPush, {}, this);
    StartRead(&response_);
    WriteNext();
    StartCall();
  }

 private:
  void WriteNext() {
    writer_.Next(frame_);
    if (writer_.done()) {
      StartWriteLast(&frame_, grpc::WriteOptions());
    } else {
      StartWrite(&frame_);
    }
  }

  // A failed write means that the worker has answered already: its status
  // arrives in OnDone.
  void OnWriteDone(bool ok) override {
    if (ok && !writer_.done()) WriteNext();
  }

  void OnReadDone(bool ok) override { answered_ = ok; }

  void OnDone(const grpc::Status& status) override {
    absl::StatusOr<v1::PushResponse> answer = Answer(FromGrpcStatus(status));
    const auto done = std::move(done_);
    // First the call and its hold on the channel: whoever waits for `done` may
    // take the channel down next.
    delete this;
    done(std::move(answer));
  }

  absl::StatusOr<v1::PushResponse> Answer(const absl::Status& status) {
    if (!status.ok()) return status;
    if (answered_) return Parse<v1::PushResponse>(response_);
    return absl::InternalError(
        "weight push: the worker ended the call with OK and no answer");
  }

  RawStub stub_;
  std::shared_ptr<grpc::ClientContext> context_;
  WeightFrameWriter writer_;
  grpc::ByteBuffer frame_;
  grpc::ByteBuffer response_;
  bool answered_ = false;
  std::function<void(absl::StatusOr<v1::PushResponse>)> done_;
};

// Lives on the caller's stack until Wait() returns.
class FetchCall final : public RawClientReactor {
 public:
  using Sink = std::function<absl::Status(const grpc::ByteBuffer&)>;

  FetchCall(std::shared_ptr<grpc::Channel> channel,
            grpc::ClientContext& context, const Sink& sink)
      : stub_(std::move(channel)), context_(context), sink_(sink) {}

  void Start(const v1::FetchRequest& request) {
    request_ = Serialise(request);
    stub_.PrepareBidiStreamingCall(&context_, kFetch, {}, this);
    StartWriteLast(&request_, grpc::WriteOptions());
    StartRead(&frame_);
    StartCall();
  }

  absl::Status Wait() {
    finished_.WaitForNotification();  // bounded by the call's deadline
    return sink_status_.ok() ? call_status_ : sink_status_;
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    sink_status_ = sink_(frame_);
    if (sink_status_.ok()) {
      StartRead(&frame_);
    } else {
      context_.TryCancel();
    }
  }

  void OnDone(const grpc::Status& status) override {
    call_status_ = FromGrpcStatus(status);
    finished_.Notify();
  }

  RawStub stub_;
  grpc::ClientContext& context_;
  const Sink& sink_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer frame_;
  absl::Status sink_status_;
  absl::Status call_status_;
  absl::Notification finished_;
};

// Streams one version, or ends with an error; owns itself.
class FetchReply final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  explicit FetchReply(
      absl::StatusOr<std::shared_ptr<const SealedWeights>> weights) {
    if (!weights.ok()) {
      Finish(ToGrpcStatus(weights.status()));
      return;
    }
    writer_.emplace(*std::move(weights));
    WriteNext();
  }

 private:
  void WriteNext() {
    writer_->Next(frame_);
    StartWrite(&frame_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the worker is gone"));
    } else if (writer_->done()) {
      Finish(grpc::Status::OK);
    } else {
      WriteNext();
    }
  }

  void OnDone() override { delete this; }

  std::optional<WeightFrameWriter> writer_;
  grpc::ByteBuffer frame_;
};

}  // namespace

void StartPush(std::shared_ptr<grpc::Channel> channel,
               std::shared_ptr<const SealedWeights> weights,
               std::shared_ptr<grpc::ClientContext> context,
               std::function<void(absl::StatusOr<v1::PushResponse>)> done) {
  auto* call = new PushCall(std::move(channel), std::move(weights),
                            std::move(context), std::move(done));
  call->Start();
}

absl::StatusOr<v1::PushResponse> PushWeights(
    std::shared_ptr<grpc::Channel> channel,
    std::shared_ptr<const SealedWeights> weights, absl::Time deadline) {
  absl::Notification finished;
  absl::StatusOr<v1::PushResponse> answer;
  auto context = std::make_shared<grpc::ClientContext>();
  context->set_deadline(absl::ToChronoTime(deadline));
  StartPush(std::move(channel), std::move(weights), std::move(context),
            [&](absl::StatusOr<v1::PushResponse> result) {
              answer = std::move(result);
              finished.Notify();
            });
  finished.WaitForNotification();  // bounded by the call's deadline
  return answer;
}

absl::Status FetchWeights(
    std::shared_ptr<grpc::Channel> channel, const v1::FetchRequest& request,
    grpc::ClientContext& context,
    const std::function<absl::Status(const grpc::ByteBuffer&)>& sink) {
  FetchCall call(std::move(channel), context, sink);
  call.Start(request);
  return call.Wait();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* WeightSource::Fetch(
    grpc::CallbackServerContext* /*context*/, const grpc::ByteBuffer* request) {
  absl::StatusOr<v1::FetchRequest> parsed = Parse<v1::FetchRequest>(*request);
  if (!parsed.ok()) return new FetchReply(parsed.status());
  return new FetchReply(newest_(*parsed));
}

}  // namespace operant
