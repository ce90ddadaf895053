#include "common/reward_client/reward_stub.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/base/file_io.h"
#include "common/base/grpc_status.h"
#include "common/base/rpc.h"
#include "common/base/status_macros.h"
#include "common/reward_client/answer_wire.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/proto_buffer_writer.h"

namespace operant {
namespace {

constexpr char kScoreMethod[] = "/operant.v1.RewardService/Score";
// What gRPC says, with RESOURCE_EXHAUSTED, of an answer over the limit, at the
// end that has it ("Sent", "Received"); else that code means "busy", which is
// asked again.
constexpr char kTooLarge[] = "message larger than max";

grpc::ByteBuffer Serialize(const v1::ScoreRequest& request) {
  grpc::ByteBuffer bytes;
  bool own_buffer = false;
  (void)grpc::GenericSerialize<grpc::ProtoBufferWriter, v1::ScoreRequest>(
      request, &bytes, &own_buffer);
  return bytes;
}

std::string Flatten(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

absl::Status JudgeCall(const absl::Status& status) {
  if (!absl::StrContains(status.message(), kTooLarge)) return status;
  return absl::DataLossError(
      absl::StrCat("answer is too large: expected at most ", kMaxMessageBytes,
                   " bytes; lower reward.batch_items"));
}

}  // namespace

RewardStub::RewardStub(const std::string& address,
                       const std::string& token_file,
                       ChannelCredentials credentials, MetricRegistry* metrics)
    : token_file_(token_file),
      channel_(MakeChannel(address, std::move(credentials), metrics)),
      stub_(v1::RewardService::NewStub(channel_)),
      bytes_stub_(channel_) {}

absl::Status RewardStub::ReadToken() {
  if (token_file_.empty()) return absl::OkStatus();
  const absl::StatusOr<std::string> text = ReadFile(token_file_);
  const std::string token(
      absl::StripAsciiWhitespace(text.ok() ? *text : std::string()));
  const bool printable =
      std::all_of(token.begin(), token.end(), absl::ascii_isgraph);
  if (token.empty() || !printable) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no bearer token: reward.endpoints.token_file='", token_file_,
        "', expected a readable file with one word; ",
        text.ok() ? "correct its contents" : text.status().message()));
  }
  absl::MutexLock lock(&mu_);
  token_ = token;
  return absl::OkStatus();
}

// Nobody polls a channel between calls: waiting, for no time, makes it see that
// its peer has hung up.
bool RewardStub::connected() const {
  channel_->WaitForStateChange(GRPC_CHANNEL_READY,
                               std::chrono::system_clock::now());
  return channel_->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY;
}

void RewardStub::Prepare(grpc::ClientContext& context,
                         absl::Duration deadline) {
  SetDeadline(context, deadline);
  absl::MutexLock lock(&mu_);
  if (token_.empty()) return;
  context.AddMetadata("authorization", absl::StrCat("Bearer ", token_));
}

absl::StatusOr<v1::GetInfoResponse> RewardStub::GetInfo(
    const v1::GetInfoRequest& request, absl::Duration deadline) {
  v1::GetInfoResponse info;
  grpc::ClientContext context;
  Prepare(context, deadline);
  RETURN_IF_ERROR(
      JudgeCall(FromGrpcStatus(stub_->GetInfo(&context, request, &info))));
  return info;
}

absl::StatusOr<v1::ScoreResponse> RewardStub::Score(
    const v1::ScoreRequest& request, size_t response_tokens,
    absl::Duration deadline) {
  const grpc::ByteBuffer sent = Serialize(request);
  grpc::ByteBuffer answer;
  grpc::ClientContext context;
  Prepare(context, deadline);
  absl::Status status;
  absl::Notification done;
  bytes_stub_.UnaryCall(&context, kScoreMethod, grpc::StubOptions(), &sent,
                        &answer, [&](grpc::Status ended) {
                          status = JudgeCall(FromGrpcStatus(ended));
                          done.Notify();
                        });
  done.WaitForNotification();  // the call's deadline ends it
  RETURN_IF_ERROR(status);
  return ParseAnswer(Flatten(answer), request.items_size(), response_tokens);
}

}  // namespace operant
