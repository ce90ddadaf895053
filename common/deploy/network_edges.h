// Who has to reach whom, and nobody else may: the edges of a run's network.
#ifndef OPERANT_COMMON_DEPLOY_NETWORK_EDGES_H_
#define OPERANT_COMMON_DEPLOY_NETWORK_EDGES_H_

#include <vector>

#include "nlohmann/json.hpp"
#include "operant/v1/config.pb.h"

namespace operant::deploy {

// {ports: [...]} of servers outside the run that the role dials: reward
// endpoints of the user's for the learner, the judge for reward servers. Empty:
// none. Their names cannot be told to a NetworkPolicy, their ports can.
std::vector<int> OutsidePorts(const v1::RunConfig& config, bool learner);

// Data of network-policy.yaml: for each role its name and the lists `ingress`
// and `egress` of {roles|monitoring|dns|outside, ports}.
nlohmann::json NetworkEdges(const v1::RunConfig& config);

}  // namespace operant::deploy

#endif  // OPERANT_COMMON_DEPLOY_NETWORK_EDGES_H_
