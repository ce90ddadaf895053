#include "cli/reward_check.h"

#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/config.h"
#include "common/base/config_security.h"
#include "common/base/status_macros.h"
#include "common/reward_client/conformance.h"
#include "common/reward_client/endpoint_credentials.h"
#include "common/reward_client/server_info.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nAsks a reward server, in any language, everything that training would\n"
    "and some things that it should survive; then measures it. Ends with 0 if\n"
    "the contract is kept, 65 if not, 69 if nobody answers.\n"
    "\nExample:\n"
    "  operant reward check 127.0.0.1:50061 --data rows.jsonl\n"
    "  operant reward check 10.0.0.3:50061 --certs certs\n"
    "  operant reward check rewards.example:443 --tls host\n";

struct Flags {
  std::string address;
  std::string data;
  std::string token_file;
  std::string tls, tls_ca;  // as the keys of reward.endpoints
  std::string certs;        // as security.certs
  double load_seconds = 1;
};

void PrintInfo(const std::string& address, const v1::GetInfoResponse& info) {
  std::printf("%s: %s version %s, api_level %u, deterministic=%s\n",
              address.c_str(), Printable(info.name()).c_str(),
              Printable(info.version()).c_str(), info.api_level(),
              info.deterministic() ? "true" : "false");
}

void PrintCheck(const ConformanceCheck& check) {
  using Verdict = ConformanceCheck::Verdict;
  const char* word = check.verdict == Verdict::kPass   ? "ok  "
                     : check.verdict == Verdict::kSkip ? "skip"
                                                       : "FAIL";
  std::printf("  %s  %s%s%s\n", word, check.name.c_str(),
              check.detail.empty() ? "" : ": ", check.detail.c_str());
}

void PrintLoad(const std::vector<LoadRow>& load) {
  if (load.empty()) return;
  std::printf("  %7s %10s %9s %9s %7s\n", "batch", "items/s", "p50 ms",
              "p99 ms", "failed");
  for (const LoadRow& row : load) {
    std::printf("  %7d %10.0f %9.2f %9.2f %7d\n", row.batch_items,
                row.items_per_second, row.p50_ms, row.p99_ms, row.failed_calls);
  }
}

// The caller is an operator.
absl::StatusOr<ChannelCredentials> ToServer(const Flags& flags) {
  v1::RunConfig config;
  config.mutable_security()->set_certs(flags.certs);
  ResolveDefaults(config);
  AllowPlaintext(*config.mutable_security());
  ASSIGN_OR_RETURN(const auto own,
                   Credentials::Load(config.security(),
                                     {.role = v1::ROLE_OPERATOR, .run = ""}));
  v1::RewardEndpoint endpoint;
  endpoint.set_name(flags.address);
  endpoint.set_address(flags.address);
  endpoint.set_token_file(flags.token_file);
  endpoint.set_tls(flags.tls);
  endpoint.set_tls_ca(flags.tls_ca);
  return EndpointCredentials(endpoint, *own);
}

absl::StatusOr<ExitCode> Check(const Flags& flags) {
  ConformanceOptions options;
  ASSIGN_OR_RETURN(options.credentials, ToServer(flags));
  options.address = flags.address;
  options.token_file = flags.token_file;
  options.load_time = absl::Seconds(flags.load_seconds);
  if (!flags.data.empty()) {
    ASSIGN_OR_RETURN(options.items, ReadScoreItems(flags.data));
  }
  ASSIGN_OR_RETURN(const ConformanceReport report, CheckConformance(options));
  PrintInfo(flags.address, report.info);
  for (const ConformanceCheck& check : report.checks) PrintCheck(check);
  PrintLoad(report.load);
  return report.passed() ? ExitCode::kDone : ExitCode::kData;
}

}  // namespace

void AddRewardCheckVerb(CLI::App& reward, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = reward.add_subcommand(
      "check", "Check that a reward server keeps the contract, and measure it");
  verb->add_option("address", flags->address, "HOST:PORT of the server")
      ->required();
  verb->add_option("--data", flags->data,
                   "JSONL rows {prompt, response, ground_truth, ...} to score");
  verb->add_option("--token-file", flags->token_file,
                   "File with the bearer token");
  verb->add_option("--tls", flags->tls,
                   "roles, host or none (operant config explain "
                   "reward.endpoints); default: roles with --certs, else none")
      ->check(CLI::IsMember({"roles", "host", "none"}));
  verb->add_option("--tls-ca", flags->tls_ca,
                   "With --tls host: PEM file of the CAs to trust")
      ->type_name("FILE");
  verb->add_option("--certs", flags->certs,
                   "Folder of operant certs; operator.pem is shown")
      ->type_name("DIR");
  verb->add_option("--load-seconds", flags->load_seconds,
                   "Seconds of load per batch size; 0: none")
      ->capture_default_str();
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Check(*flags); }; });
}

}  // namespace operant::cli
