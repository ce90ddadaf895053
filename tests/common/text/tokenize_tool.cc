// For comparisons with other tokenizers:
//   tokenize_tool encode TOKENIZER   JSON strings on stdin, one a line; prints
//                                    {"ids": [...], "text": "..."} for each:
//                                    the ids, and what they decode to
//   tokenize_tool train VOCAB_SIZE   JSON strings on stdin; prints the trained
//                                    tokenizer.json
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "common/text/bpe_trainer.h"
#include "common/text/tokenizer.h"

namespace operant {
namespace {

int Fail(const absl::Status& status) {
  std::cerr << status << "\n";
  return 1;
}

std::vector<std::string> ReadTexts() {
  std::vector<std::string> texts;
  for (std::string line; std::getline(std::cin, line);) {
    texts.push_back(nlohmann::json::parse(line).get<std::string>());
  }
  return texts;
}

int Encode(const std::string& path) {
  const auto tokenizer = Tokenizer::Load(path);
  if (!tokenizer.ok()) return Fail(tokenizer.status());
  for (const std::string& text : ReadTexts()) {
    const std::vector<int32_t> ids = (*tokenizer)->Encode(text);
    const std::string decoded = (*tokenizer)->Decode(ids, false);
    std::cout << nlohmann::json{{"ids", ids}, {"text", ToValidUtf8(decoded)}}
              << "\n";
  }
  return 0;
}

int Train(int32_t vocab_size) {
  BpeTrainerOptions options;
  options.vocab_size = vocab_size;
  options.special_tokens = {"<|endoftext|>", "<|pad|>"};
  const auto json = TrainBpe(options, {.written = ReadTexts()});
  if (!json.ok()) return Fail(json.status());
  std::cout << *json;
  return 0;
}

int Main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "encode") {
    return Encode(argv[2]);
  }
  if (argc == 3 && std::string_view(argv[1]) == "train") {
    return Train(std::atoi(argv[2]));
  }
  std::cerr << "usage: tokenize_tool encode TOKENIZER | train VOCAB_SIZE\n";
  return 64;
}

}  // namespace
}  // namespace operant

int main(int argc, char** argv) { return operant::Main(argc, argv); }
