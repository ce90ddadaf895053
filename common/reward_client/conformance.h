// `operant reward check`: whether a reward server keeps the contract, told so
// that its author can act on it.
#ifndef OPERANT_COMMON_REWARD_CLIENT_CONFORMANCE_H_
#define OPERANT_COMMON_REWARD_CLIENT_CONFORMANCE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/credentials.h"
#include "operant/v1/reward.pb.h"

namespace operant {

struct ConformanceOptions {
  std::string address;
  std::string token_file;                       // may be empty
  ChannelCredentials credentials = {};          // as MakeChannel takes it
  std::vector<v1::ScoreItem> items;             // empty: a built-in sample
  absl::Duration deadline = absl::Seconds(10);  // of each call
  absl::Duration load_time = absl::Seconds(1);  // per batch size; zero: none
  double max_abs_score = 1e6;
};

struct ConformanceCheck {
  enum class Verdict { kPass, kFail, kSkip };
  std::string name;
  Verdict verdict = Verdict::kPass;
  std::string detail;  // what was seen; what to do, if it failed
};

// Throughput with as many calls under way as the server allows.
struct LoadRow {
  int batch_items = 0;
  double items_per_second = 0;
  double p50_ms = 0;  // of a call
  double p99_ms = 0;
  int failed_calls = 0;
};

struct ConformanceReport {
  v1::GetInfoResponse info;
  std::vector<ConformanceCheck> checks;
  std::vector<LoadRow> load;

  bool passed() const;
};

// Runs every check; one that fails does not end the others. Errors: no server
// (Unavailable, with ExitCode kRewardUnavailable), or the token file.
absl::StatusOr<ConformanceReport> CheckConformance(
    const ConformanceOptions& options);

// Rows {prompt, response, ground_truth, data_source, metadata, ...} with the
// field names of ScoreItem; ids are filled in. Errors: ReadFile's; DataLoss
// naming file and line.
absl::StatusOr<std::vector<v1::ScoreItem>> ReadScoreItems(
    const std::string& path);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_CONFORMANCE_H_
