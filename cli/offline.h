// What `generate` and `logprobs` share: their flags, their model, their rows.
#ifndef OPERANT_CLI_OFFLINE_H_
#define OPERANT_CLI_OFFLINE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "common/text/prompt_dataset.h"
#include "common/text/tokenizer.h"
#include "rollout/offline_generation.h"

namespace operant::cli {

struct OfflineFlags {
  std::string model;
  std::string data;
  std::string device = "auto";
  std::string dtype = "fp32";
  int threads = 0;  // 0: all cores
  int slots = 64;
};

void AddOfflineFlags(CLI::App& verb, OfflineFlags& flags);

struct OfflineTools {
  std::unique_ptr<rollout::OfflineModel> model;
  std::unique_ptr<Tokenizer> tokenizer;  // null: the folder has none
};

// Loads the model folder and its tokenizer.json, where it has one.
absl::StatusOr<OfflineTools> OpenOffline(const OfflineFlags& flags);

// A row of output. Log-probs are in nats, one per response token.
struct ResponseRow {
  std::span<const int32_t> prompt_token_ids;
  std::span<const int32_t> response_token_ids;
  std::span<const float> response_logprobs;
  bool stopped = false;  // else the token limit ended it
};

// One line of JSON: prompt_token_ids, response_token_ids, response_logprobs,
// finish ("stop" or "length"), and response, its text, if there is a tokenizer.
std::string ToJsonLine(const ResponseRow& row, const Tokenizer* tokenizer);

}  // namespace operant::cli

#endif  // OPERANT_CLI_OFFLINE_H_
