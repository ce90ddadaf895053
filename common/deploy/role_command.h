// The command line of each role: flags of the one binary.
#ifndef OPERANT_COMMON_DEPLOY_ROLE_COMMAND_H_
#define OPERANT_COMMON_DEPLOY_ROLE_COMMAND_H_

#include <string>
#include <vector>

#include "common/deploy/deployment.h"
#include "operant/v1/config.pb.h"

namespace operant::deploy {

// Texts with a scheduler's variables where they are not known before.
struct CommandPlaces {
  std::string config;       // the role's file
  std::string listen;       // HOST:PORT
  std::string http;         // HOST:PORT
  std::string coordinator;  // workers, and ranks of several
  std::string advertise;    // workers; empty: as bound
  std::string worker_id;    // empty: host and process id
  std::string rank;         // of several; empty: there is one
};

// Arguments after the program's name.
std::vector<std::string> RoleCommand(ProcessRole role,
                                     const v1::RunConfig& config,
                                     const CommandPlaces& places);

}  // namespace operant::deploy

#endif  // OPERANT_COMMON_DEPLOY_ROLE_COMMAND_H_
