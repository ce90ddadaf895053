// A rank of the learner other than 0 as a process: what `operant learner
// --rank R` runs.
#ifndef OPERANT_LEARNER_RANK_PROCESS_H_
#define OPERANT_LEARNER_RANK_PROCESS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/base/credentials.h"
#include "operant/v1/config.pb.h"

namespace operant::learner {

struct RankOptions {
  v1::RunConfig config;  // resolved and validated for training
  int rank = 1;
  std::string coordinator;  // host:port of rank 0
  std::string http = "127.0.0.1:0";
  std::string announce_path;  // of the HTTP port; empty: nowhere
  std::shared_ptr<const Credentials> credentials = Credentials::Plaintext();
};

// Joins rank 0 and computes its share of every step until the run is over. It
// reads the model and nothing else; weights and optimiser state come from rank
// 0. OK: the run is done, or was saved because of a signal. Errors: those of
// RankMember::Join; the group's verdict (exit code 75), which names the rank
// that is to blame.
absl::Status RunRank(const RankOptions& options);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RANK_PROCESS_H_
