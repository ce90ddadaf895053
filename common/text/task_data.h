// Tasks whose answers can be checked, as data sets of any size: addition, and
// programs of one line.
#ifndef OPERANT_COMMON_TEXT_TASK_DATA_H_
#define OPERANT_COMMON_TEXT_TASK_DATA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace operant {

struct TaskData {
  struct Task {
    std::string prompt;
    std::string response;      // a right one
    std::string ground_truth;  // what a verifier compares with
  };
  struct Example {
    std::string prompt, response;
  };
  struct Rating {
    std::string prompt, response;
    double rating = 0;
  };
  std::vector<Task> train;    // in an order that mixes them
  std::vector<Task> heldout;  // no prompt is in both
  // Of the training tasks, for `operant sft`: a share of them is wrong, as what
  // people wrote is. What is right is for the verifier to tell.
  std::vector<Example> examples;
  std::vector<Rating> ratings;  // of every answer to every prompt; may be none
};

struct TaskDataOptions {
  uint64_t seed = 1;
  int32_t heldout_every = 8;  // one task in so many is held out; at least 2
  int32_t examples_per_task = 8;
  double wrong_share = 0.5;  // of the examples, in [0, 1)
};

// "27+35=" to " 62", for 0 <= a, b < `limit` (2 to 1000). ground_truth is the
// sum. A wrong example is off by 1 to 10. With `rate`, each whole number from 0
// to 2 * limit - 2 is rated as an answer to each prompt: 5 if right, less the
// further off, 1 at the least. InvalidArgument if an option is out of range.
absl::StatusOr<TaskData> MakeAdditionTask(const TaskDataOptions& options,
                                          int32_t limit, bool rate);

// "x times 3 plus 4:" to " def f(x): return x * 3 + 4", with one or two
// operations and constants from 1 to 9. ground_truth is Python that calls f. A
// wrong example has another operation or constant. Errors as above.
absl::StatusOr<TaskData> MakeProgramTask(const TaskDataOptions& options);

// Writes examples.jsonl {prompt, response}, prompts.jsonl and
// heldout_prompts.jsonl {prompt, ground_truth}, heldout.jsonl {prompt,
// response} and, if there are any, ratings.jsonl {prompt, response, rating}.
// `folder` is made if it is missing.
absl::Status WriteTaskData(const TaskData& data, const std::string& folder);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_TASK_DATA_H_
