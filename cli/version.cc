#include <cstdio>

#include "cli/verbs.h"
#include "google/protobuf/stubs/common.h"
#include "grpcpp/grpcpp.h"

namespace operant::cli {
namespace {

absl::StatusOr<ExitCode> PrintVersion() {
  std::printf("operant %s\nLibTorch %s, gRPC %s, protobuf %s, %s\n",
              OPERANT_VERSION, OPERANT_TORCH_VERSION, grpc::Version().c_str(),
              google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION)
                  .c_str(),
              OPERANT_COMPILER);
  return ExitCode::kDone;
}

}  // namespace

void AddVersionVerb(CLI::App& app, Action& action) {
  app.add_subcommand("version", "Print the versions of Operant and its parts")
      ->callback([&action] { action = PrintVersion; });
}

}  // namespace operant::cli
