#include "common/base/server_authorizer.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "common/base/authorization.h"
#include "common/base/grpc_status.h"
#include "common/base/log.h"
#include "grpc/grpc_security_constants.h"

namespace operant::internal {
namespace {

constexpr char kPathKey[] = ":path";
constexpr char kTokenKey[] = "authorization";
constexpr std::string_view kBearer = "Bearer ";

std::string_view View(grpc::string_ref text) {
  return {text.data(), text.size()};
}

// The value of the only entry `key`; empty if it is absent, or there twice.
std::string_view OnlyValue(
    const grpc::AuthMetadataProcessor::InputMetadata& metadata,
    const char* key) {
  const auto [first, last] = metadata.equal_range(key);
  if (first == last || std::next(first) != last) return {};
  return View(first->second);
}

std::vector<std::string> SpiffeIdsOf(const grpc::AuthContext& connection) {
  std::vector<std::string> ids;
  for (const grpc::string_ref& id :
       connection.FindPropertyValues(GRPC_PEER_SPIFFE_ID_PROPERTY_NAME)) {
    ids.emplace_back(View(id));
  }
  return ids;
}

std::string Printable(std::string_view text) {
  constexpr size_t kMaxShown = 200;
  return absl::CHexEscape({text.data(), std::min(text.size(), kMaxShown)});
}

}  // namespace

ServerAuthorizer::ServerAuthorizer(Identity self,
                                   std::shared_ptr<TokenFile> tokens)
    : self_(std::move(self)), tokens_(std::move(tokens)) {}

grpc::Status ServerAuthorizer::Process(const InputMetadata& metadata,
                                       grpc::AuthContext* connection,
                                       OutputMetadata* consumed,
                                       OutputMetadata* /*response*/) {
  CallFacts call{.spiffe_ids = SpiffeIdsOf(*connection),
                 .method = OnlyValue(metadata, kPathKey),
                 .token_required = tokens_ != nullptr};
  const std::string_view header = OnlyValue(metadata, kTokenKey);
  if (tokens_ != nullptr && header.starts_with(kBearer)) {
    call.token_accepted =
        tokens_->Accepts(header.substr(kBearer.size()), absl::Now());
  }
  const absl::StatusOr<Identity> caller = Authorize(call, self_);
  if (!caller.ok()) {
    LogDenial(call.method, caller.status());
    return ToGrpcStatus(caller.status());
  }
  if (caller->role == v1::ROLE_OPERATOR) {
    LogInfo("operator call", {{"identity", caller->ToUri()},
                              {"method", std::string(call.method)}});
  }
  // Handlers need no token.
  for (auto [entry, last] = metadata.equal_range(kTokenKey); entry != last;
       ++entry) {
    consumed->emplace(kTokenKey, std::string(View(entry->second)));
  }
  return grpc::Status::OK;
}

void ServerAuthorizer::LogDenial(std::string_view method,
                                 const absl::Status& reason) {
  const int64_t second = absl::ToUnixSeconds(absl::Now());
  int64_t last = last_logged_second_;
  if (last == second ||
      !last_logged_second_.compare_exchange_strong(last, second)) {
    ++unlogged_;
    return;
  }
  LogWarning("call denied", {{"method", Printable(method)},
                             {"status", reason.ToString()},
                             {"denied_since_last", unlogged_.exchange(0)}});
}

}  // namespace operant::internal
