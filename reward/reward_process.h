// The process `operant reward`: a built-in scorer behind the public contract.
#ifndef OPERANT_REWARD_REWARD_PROCESS_H_
#define OPERANT_REWARD_REWARD_PROCESS_H_

#include <string>

#include "common/base/credentials.h"
#include "common/base/exit_code.h"
#include "operant/v1/config.pb.h"

namespace operant::reward {

struct RewardServerOptions {
  v1::RewardSection config;             // resolved
  std::string listen = "127.0.0.1:0";   // of the RewardService
  std::string metrics = "127.0.0.1:0";  // /metrics and /healthz
  // Takes the addresses once they serve (common/run/announcement.h); empty:
  // nowhere.
  std::string announce_path;
  // What it shows, and whom it accepts.
  std::shared_ptr<const Credentials> credentials = Credentials::Plaintext();
};

// Serves until SIGINT or SIGTERM (the caller has installed the handlers), then
// lets running calls finish. Logs `reward server serving` with both addresses
// once it answers. Returns kDone after a signal, since a reward server keeps no
// state; otherwise the code of the error, which it has logged.
ExitCode RunRewardServer(const RewardServerOptions& options);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_REWARD_PROCESS_H_
