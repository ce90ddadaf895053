#include "common/base/config_reward.h"

#include <cmath>
#include <set>
#include <string>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/address.h"
#include "common/base/reward_contract.h"

namespace operant {
namespace {

using internal::ConfigFaults;

void CheckOnError(const std::string& on_error, ConfigFaults& faults) {
  if (on_error == "fail" || on_error == "drop") return;
  absl::string_view rest = on_error;
  double score = 0;
  if (absl::ConsumePrefix(&rest, "value:") && absl::SimpleAtod(rest, &score) &&
      std::isfinite(score)) {
    return;
  }
  faults.Add({"reward.on_error", on_error,
              "fail or drop or value:X with a finite number X",
              "leave the key out to stop at the first error"});
}

// With a command, no address or port 0 means a free port.
void CheckAddress(const v1::RewardEndpoint& endpoint, const std::string& key,
                  ConfigFaults& faults) {
  const bool started_here = !endpoint.command().empty();
  if (started_here && endpoint.address().empty()) return;
  const absl::StatusOr<HostPort> parsed = ParseTarget(endpoint.address());
  if (!parsed.ok() || (parsed->port == 0 && !started_here)) {
    faults.Add({key + ".address", endpoint.address(),
                "host:port or dns:///name:port of a reward server",
                "write, for example, 127.0.0.1:50061"});
  } else if (started_here && !IsLoopback(parsed->host)) {
    faults.Add({key + ".address", endpoint.address(),
                "a loopback address since command starts it on this machine",
                "leave the address out to take a free port"});
  }
}

void CheckTransport(const v1::RewardEndpoint& endpoint, const std::string& key,
                    ConfigFaults& faults) {
  const std::string& tls = endpoint.tls();
  if (!tls.empty() && tls != "roles" && tls != "host" && tls != "none") {
    faults.Add({key + ".tls", tls, "roles, host or none",
                "leave the key out for roles in a run with certificates"});
  }
  if (!endpoint.tls_ca().empty() && tls != "host") {
    faults.Add({key + ".tls_ca", endpoint.tls_ca(),
                "no value unless tls is host",
                absl::StrCat("set ", key, ".tls=host, or leave it out")});
  }
}

void CheckComponentWeights(const v1::RewardEndpoint& endpoint,
                           const std::string& key, ConfigFaults& faults) {
  std::set<std::string> components;
  for (int i = 0; i < endpoint.component_weights_size(); ++i) {
    const std::string& component = endpoint.component_weights(i).component();
    if (!component.empty() && components.insert(component).second) continue;
    faults.Add({absl::StrCat(key, ".component_weights[", i, "].component"),
                component, "the name of a component, used once",
                "name one of the server's component_names"});
  }
}

void CheckEndpoint(const v1::RewardEndpoint& endpoint, const std::string& key,
                   ConfigFaults& faults) {
  CheckAddress(endpoint, key, faults);
  CheckTransport(endpoint, key, faults);
  CheckComponentWeights(endpoint, key, faults);
  if (!endpoint.command().empty() && endpoint.command(0).empty()) {
    faults.Add({key + ".command[0]", "", "a program",
                "write, for example, [python3, my_reward.py]"});
  }
  if (endpoint.max_inflight() > kMaxRewardCalls) {
    faults.Add({key + ".max_inflight", absl::StrCat(endpoint.max_inflight()),
                absl::StrCat("at most ", kMaxRewardCalls),
                "leave it out to take the server's word"});
  }
}

// What the built-in scorer cannot do without.
void CheckScorer(const v1::RewardSection& reward, ConfigFaults& faults) {
  struct Needed {
    std::string_view scorer;
    const char* key;
    const std::string& value;
    const char* expected;
  };
  const Needed rows[] = {
      {"regex", "reward.pattern", reward.pattern(), "a PCRE2 pattern"},
      {"json-schema", "reward.schema", reward.schema(), "a JSON Schema file"},
      {"ratings", "reward.ratings", reward.ratings(),
       "a JSONL file of rows {prompt, response, rating}"},
      {"preference-model", "reward.preference_model.path",
       reward.preference_model().path(), "a sequence-classification folder"},
      {"judge", "reward.judge.url", reward.judge().url(),
       "an endpoint such as http://127.0.0.1:8000/v1"},
      {"pairwise", "reward.judge.url", reward.judge().url(),
       "an endpoint such as http://127.0.0.1:8000/v1"},
  };
  for (const Needed& row : rows) {
    if (reward.scorer() != row.scorer || !row.value.empty()) continue;
    faults.Add(
        {row.key, row.value,
         absl::StrCat(row.expected, " since reward.scorer=", reward.scorer()),
         absl::StrCat("set ", row.key)});
  }
  if (reward.judge().min_score() >= reward.judge().max_score()) {
    faults.Add({"reward.judge.min_score",
                absl::StrCat(reward.judge().min_score()),
                absl::StrCat("less than reward.judge.max_score=",
                             reward.judge().max_score()),
                "change one of the two"});
  }
}

}  // namespace

void internal::CheckReward(const v1::RewardSection& reward,
                           ConfigFaults& faults) {
  CheckOnError(reward.on_error(), faults);
  std::set<std::string> names;
  for (int i = 0; i < reward.endpoints_size(); ++i) {
    const v1::RewardEndpoint& endpoint = reward.endpoints(i);
    const std::string key = absl::StrCat("reward.endpoints[", i, "]");
    CheckEndpoint(endpoint, key, faults);
    if (!names.insert(endpoint.name()).second) {
      faults.Add({key + ".name", endpoint.name(), "a name used once",
                  "give each endpoint a name of its own"});
    }
  }
  CheckScorer(reward, faults);
}

}  // namespace operant
