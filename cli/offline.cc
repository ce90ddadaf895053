#include "cli/offline.h"

#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/run/process_stats.h"
#include "nlohmann/json.hpp"

namespace operant::cli {

void AddOfflineFlags(CLI::App& verb, OfflineFlags& flags) {
  verb.add_option("--model", flags.model, "A Hugging Face folder")
      ->type_name("DIR")
      ->required();
  verb.add_option("--data", flags.data,
                  "Rows {prompt, response} as text, or {prompt_token_ids, "
                  "response_token_ids}")
      ->type_name("FILE.jsonl");
  verb.add_option("--device", flags.device, "auto, cpu or cuda")
      ->capture_default_str();
  verb.add_option("--dtype", flags.dtype, "Arithmetic: fp32 or bf16")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  verb.add_option("--threads", flags.threads, "0: all cores")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb.add_option("--slots", flags.slots, "Sequences decoded together")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

absl::StatusOr<OfflineTools> OpenOffline(const OfflineFlags& flags) {
  InferenceModel::Options options;
  ASSIGN_OR_RETURN(options.device, ParseDevice(flags.device));
  options.compute =
      flags.dtype == "bf16" ? ComputeType::kBf16 : ComputeType::kFp32;
  options.threads = flags.threads > 0 ? flags.threads : UsableCores();
  options.slots = flags.slots;
  OfflineTools tools;
  ASSIGN_OR_RETURN(tools.model,
                   rollout::OfflineModel::Open(flags.model, options));
  if (FileExists(JoinPath(flags.model, "tokenizer.json"))) {
    ASSIGN_OR_RETURN(tools.tokenizer, Tokenizer::Load(flags.model));
  }
  return tools;
}

std::string ToJsonLine(const ResponseRow& row, const Tokenizer* tokenizer) {
  nlohmann::ordered_json json;
  json["prompt_token_ids"] = row.prompt_token_ids;
  json["response_token_ids"] = row.response_token_ids;
  json["response_logprobs"] = row.response_logprobs;
  if (tokenizer != nullptr) {
    json["response"] = ToValidUtf8(tokenizer->Decode(row.response_token_ids));
  }
  json["finish"] = row.stopped ? "stop" : "length";
  return json.dump() + "\n";
}

}  // namespace operant::cli
