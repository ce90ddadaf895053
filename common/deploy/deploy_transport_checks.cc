#include "common/deploy/deploy_transport_checks.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/address.h"
#include "common/base/config_security.h"

namespace operant::deploy {
namespace {

using internal::ConfigFaults;

bool InPlaintext(const v1::RewardEndpoint& endpoint,
                 const v1::SecuritySection& security, Target target) {
  if (!endpoint.tls().empty()) return endpoint.tls() == "none";
  return target == Target::kSystemd && security.plaintext();
}

void CheckEndpoints(const v1::RunConfig& config, Target target,
                    ConfigFaults& faults) {
  const v1::RewardSection& reward = config.reward();
  for (int i = 0; i < reward.endpoints_size(); ++i) {
    const v1::RewardEndpoint& endpoint = reward.endpoints(i);
    const std::string key = absl::StrCat("reward.endpoints[", i, "]");
    if (!endpoint.command().empty()) {
      faults.Add({key + ".command", endpoint.command(0),
                  "no value since only operant train starts it",
                  "start it as a service of its own and name its address"});
      continue;
    }
    const bool loopback = IsLoopbackTarget(endpoint.address());
    if (!loopback && InPlaintext(endpoint, config.security(), target)) {
      faults.Add({key + ".tls", endpoint.tls(),
                  absl::StrCat("roles or host since ", endpoint.address(),
                               " is off loopback and plaintext stays on it"),
                  absl::StrCat("set ", key, ".tls (docs/howto/tls.md)")});
    }
    if (loopback && target != Target::kSystemd) {
      faults.Add({key + ".address", endpoint.address(),
                  "an address that other machines reach",
                  "name the server's service"});
    }
  }
}

void CheckCertificates(const v1::RunConfig& config, Target target,
                       ConfigFaults& faults) {
  const v1::SecuritySection& security = config.security();
  if (target == Target::kSystemd) {
    if (HasCertificates(security) || security.plaintext()) return;
    faults.Add({"security.certs", "",
                "certificates, or security.plaintext=true since all of it "
                "talks over loopback",
                "set one of the two (docs/howto/tls.md)"});
    return;
  }
  if (security.plaintext()) {
    faults.Add({"security.plaintext", "true",
                "no value since the processes talk off loopback",
                "leave it out and give certificates (docs/howto/tls.md)"});
    return;
  }
  if (target == Target::kK8s) {
    Require(config.deploy().tls_secret(), "deploy.tls_secret",
            "the prefix of the Secrets with the run's certificates", faults);
  } else {
    Require(security.certs(), "security.certs",
            "the folder that operant certs create wrote", faults);
  }
}

}  // namespace

void Require(const std::string& value, const std::string& key,
             const std::string& expected, ConfigFaults& faults) {
  if (value.empty())
    faults.Add({key, value, expected, absl::StrCat("set ", key)});
}

void CheckTransport(const v1::RunConfig& config, Target target,
                    ConfigFaults& faults) {
  CheckEndpoints(config, target, faults);
  CheckCertificates(config, target, faults);
}

}  // namespace operant::deploy
