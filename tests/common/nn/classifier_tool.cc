// Scores of a sequence-classification folder, for tests/oracle and bench:
//
//   classifier_tool FOLDER THREADS REPEATS < ids > scores
//
// A line of ids a sequence; writes one float32 each. On standard error, the
// seconds of each repeat, then the most memory the process held, in KiB.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "common/base/status_macros.h"
#include "common/nn/inference_model.h"
#include "common/nn/sequence_classifier.h"

namespace operant {
namespace {

constexpr size_t kBatch = 64;

using Sequences = std::vector<std::vector<int32_t>>;

// Each with one more token: the head reads the state in front of it.
Sequences ReadSequences() {
  Sequences sequences;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::vector<int32_t>& ids = sequences.emplace_back();
    for (int32_t id = 0; words >> id;) ids.push_back(id);
    ids.push_back(0);
  }
  return sequences;
}

// Not getrusage's, which counts what the process was before exec.
int64_t PeakKib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib;
  }
  return 0;
}

absl::Status Run(const std::string& folder, int threads, int repeats) {
  ASSIGN_OR_RETURN(const SequenceClassifier classifier,
                   LoadSequenceClassifier(folder));
  ASSIGN_OR_RETURN(auto engine,
                   InferenceModel::Create(classifier.decoder.config,
                                          {.slots = 1, .threads = threads}));
  ASSIGN_OR_RETURN(auto packed, engine->Pack(*classifier.decoder.weights));
  engine->Use(std::move(packed));
  const ValueHead head = {.weight = classifier.head};
  const Sequences sequences = ReadSequences();
  std::vector<TokenScore> scores;
  for (int i = 0; i < repeats; ++i) {
    scores.clear();
    const auto start = std::chrono::steady_clock::now();
    for (size_t begin = 0; begin < sequences.size(); begin += kBatch) {
      std::vector<SequenceTokens> batch;
      const size_t end = std::min(begin + kBatch, sequences.size());
      for (size_t s = begin; s < end; ++s) {
        batch.push_back(
            {sequences[s], static_cast<int32_t>(sequences[s].size()) - 1});
      }
      RETURN_IF_ERROR(engine->Score(batch, 1, &head, scores));
    }
    std::cerr << std::chrono::duration<double>(
                     std::chrono::steady_clock::now() - start)
                     .count()
              << "\n";
  }
  for (const TokenScore& score : scores)
    std::fwrite(&score.value, sizeof(float), 1, stdout);
  std::cerr << PeakKib() << "\n";
  return absl::OkStatus();
}

}  // namespace
}  // namespace operant

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: classifier_tool FOLDER THREADS REPEATS < ids\n";
    return 64;
  }
  const absl::Status status =
      operant::Run(argv[1], std::atoi(argv[2]), std::atoi(argv[3]));
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
