// Rows of supervised training and the batches they come in.
#ifndef OPERANT_LEARNER_SFT_DATA_H_
#define OPERANT_LEARNER_SFT_DATA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/text/tokenizer.h"

namespace operant::learner {

// Prompt and response ids, end-of-sequence included, as one sequence.
struct SftRow {
  std::vector<int32_t> tokens;  // at least 2
  int32_t first_trained = 1;    // the loss covers tokens[first_trained..]
};

struct SftDataOptions {
  int32_t eos_id = -1;     // appended to responses; -1: nothing
  int64_t max_tokens = 0;  // of a row: the model's context
  bool drop_overlong = false;
  bool loss_on_prompt = false;
};

// Errors: those of LoadDataset; DataLoss (rows over max_tokens, unless dropped:
// their number and the worst line; or no row is left).
absl::StatusOr<std::vector<SftRow>> LoadSftRows(const std::string& path,
                                                const Tokenizer& tokenizer,
                                                const SftDataOptions& options);

// The texts to train a tokenizer on.
struct SftTexts {
  std::vector<std::string> prompts;
  std::vector<std::string> responses;
};

// Those of a data file, as far as its rows have them. DataLoss names the line
// that is not an object with text; or there is none.
absl::StatusOr<SftTexts> ReadSftTexts(const std::string& path);

// Cuts the rows into one epoch's batches, each of at least `batch_tokens`
// tokens (the last may have fewer), in an order that depends on seed and epoch
// alone. Pure.
std::vector<std::vector<int64_t>> PlanEpoch(const std::vector<SftRow>& rows,
                                            int64_t batch_tokens, uint64_t seed,
                                            int64_t epoch);

// Hands out batches step after step, epoch after epoch. A step's batch depends
// on the step's number alone, so a resumed run sees the same ones.
class SftBatches {
 public:
  // `rows` must outlive this.
  SftBatches(const std::vector<SftRow>& rows, int64_t batch_tokens,
             uint64_t seed);

  // Steps of `epochs` epochs, at least 1.
  int64_t StepsOf(double epochs) const;
  // Rows of the batch of `step`, from 0. Steps are asked for in ascending
  // order.
  const std::vector<int64_t>& BatchOf(int64_t step);

 private:
  void PlanNextEpoch();

  const std::vector<SftRow>& rows_;
  const int64_t batch_tokens_;
  const uint64_t seed_;
  int64_t epoch_ = -1;
  int64_t first_step_ = 0;  // of the epoch
  std::vector<std::vector<int64_t>> plan_;
};

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_SFT_DATA_H_
