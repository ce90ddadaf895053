#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/verbs.h"
#include "httplib.h"

namespace operant::cli {
namespace {

constexpr int kTimeoutSeconds = 5;

constexpr const char* kFooter =
    "\nFor exec probes and HEALTHCHECK: exits with 0 if the answer is 200.\n"
    "\nExample:\n"
    "  operant probe 127.0.0.1:9464 live\n";

struct Flags {
  std::string address;
  std::string check = "ready";
};

absl::StatusOr<ExitCode> Probe(const Flags& flags) {
  httplib::Client client("http://" + flags.address);
  client.set_connection_timeout(kTimeoutSeconds);
  client.set_read_timeout(kTimeoutSeconds);
  const auto response = client.Get(("/healthz/" + flags.check).c_str());
  if (!response) {
    return absl::UnavailableError(
        absl::StrCat("no answer: address=", flags.address,
                     ", expected an HTTP port of Operant; see --http"));
  }
  std::printf("%s\n", response->body.c_str());
  if (response->status == 200) return ExitCode::kDone;
  return absl::UnavailableError(absl::StrCat(
      "not ", flags.check, ": status=", response->status, ", expected 200"));
}

}  // namespace

void AddProbeVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      app.add_subcommand("probe", "Ask a process whether it is well");
  verb->add_option("address", flags->address, "Its HTTP port")
      ->type_name("HOST:PORT")
      ->required();
  verb->add_option("check", flags->check, "startup, live or ready")
      ->check(CLI::IsMember({"startup", "live", "ready"}))
      ->capture_default_str();
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Probe(*flags); }; });
}

}  // namespace operant::cli
