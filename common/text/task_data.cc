#include "common/text/task_data.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/file_io.h"
#include "common/base/philox.h"
#include "common/base/status_macros.h"

namespace operant {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kShuffleStream = 0x7461736b;
constexpr uint64_t kWrongStream = kShuffleStream + 1;
constexpr int kMaxOff = 10;
constexpr double kBestRating = 5;
constexpr double kWorstRating = 1;
// Arguments that tell the programs of the task apart.
constexpr int kProbes[] = {2, 5, 11};

// Whole numbers below `limit`, one after the other.
class Draws {
 public:
  Draws(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}
  uint64_t Below(uint64_t limit) {
    return PhiloxUint64(seed_, stream_, next_++) % limit;
  }
  bool Chance(double share) {
    return static_cast<double>(Below(1 << 20)) < share * (1 << 20);
  }

 private:
  const uint64_t seed_, stream_;
  uint64_t next_ = 0;
};

absl::Status CheckRange(const char* name, double value, double least,
                        double most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, "=", value, ", expected ", least, " to ", most));
}

absl::Status CheckOptions(const TaskDataOptions& options) {
  RETURN_IF_ERROR(CheckRange("heldout-every", options.heldout_every, 2, 1e6));
  RETURN_IF_ERROR(
      CheckRange("examples-per-task", options.examples_per_task, 1, 1000));
  return CheckRange("wrong", options.wrong_share, 0, 0.99);
}

template <typename T>
void Shuffle(uint64_t seed, uint64_t stream, std::vector<T>& items) {
  Draws draws(seed, stream);
  for (size_t i = items.size(); i > 1; --i) {
    std::swap(items[i - 1], items[draws.Below(i)]);
  }
}

// `wrong` makes another response to the task at an index of `tasks`.
using WrongResponse = std::function<std::string(size_t, Draws&)>;

// Divides `tasks` (already mixed) and writes examples of the training ones.
TaskData Divide(const TaskDataOptions& options,
                const std::vector<TaskData::Task>& tasks,
                const WrongResponse& wrong) {
  TaskData data;
  Draws draws(options.seed, kWrongStream);
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (i % options.heldout_every == 0) {
      data.heldout.push_back(tasks[i]);
      continue;
    }
    data.train.push_back(tasks[i]);
    for (int n = 0; n < options.examples_per_task; ++n) {
      data.examples.push_back(
          {tasks[i].prompt, draws.Chance(options.wrong_share)
                                ? wrong(i, draws)
                                : tasks[i].response});
    }
  }
  Shuffle(options.seed, kShuffleStream + 2, data.examples);
  return data;
}

std::string AsAnswer(int64_t number) { return absl::StrCat(" ", number); }

void Rate(const std::vector<TaskData::Task>& tasks, int32_t most,
          std::vector<TaskData::Rating>& ratings) {
  for (const TaskData::Task& task : tasks) {
    const int32_t truth = std::atoi(task.ground_truth.c_str());
    for (int32_t said = 0; said <= most; ++said) {
      const double off = std::abs(said - truth);
      ratings.push_back({task.prompt, AsAnswer(said),
                         std::max(kWorstRating, kBestRating - off)});
    }
  }
}

// x, one or two operations and their constants: "x times 3 plus 4".
struct Program {
  struct Step {
    int operation;  // of kOperations
    int constant;
  };
  std::vector<Step> steps;
};

struct Operation {
  const char* word;
  const char* sign;
};
constexpr Operation kOperations[] = {
    {"plus", "+"}, {"minus", "-"}, {"times", "*"}};
constexpr int kOperationCount = 3;
constexpr int kMaxConstant = 9;

std::string PromptOf(const Program& program) {
  std::string text = "x";
  for (const Program::Step& step : program.steps) {
    absl::StrAppend(&text, " ", kOperations[step.operation].word, " ",
                    step.constant);
  }
  return text + ":";
}

// Operations apply from left to right, as the words say them.
std::string CodeOf(const Program& program) {
  std::string code = "x";
  for (size_t i = 0; i < program.steps.size(); ++i) {
    const Program::Step& step = program.steps[i];
    const bool times = kOperations[step.operation].sign[0] == '*';
    if (times && i > 0) code = absl::StrCat("(", code, ")");
    absl::StrAppend(&code, " ", kOperations[step.operation].sign, " ",
                    step.constant);
  }
  return absl::StrCat(" def f(x): return ", code);
}

int64_t ValueOf(const Program& program, int64_t x) {
  for (const Program::Step& step : program.steps) {
    const char sign = kOperations[step.operation].sign[0];
    x = sign == '+'   ? x + step.constant
        : sign == '-' ? x - step.constant
                      : x * step.constant;
  }
  return x;
}

std::string TestsOf(const Program& program) {
  std::vector<std::string> lines;
  for (const int x : kProbes) {
    lines.push_back(absl::StrCat("assert f(", x, ") == ", ValueOf(program, x)));
  }
  return absl::StrJoin(lines, "\n");
}

std::vector<Program> AllPrograms() {
  std::vector<Program::Step> steps;
  for (int operation = 0; operation < kOperationCount; ++operation) {
    for (int constant = 1; constant <= kMaxConstant; ++constant) {
      steps.push_back({operation, constant});
    }
  }
  std::vector<Program> programs;
  for (const Program::Step& first : steps) {
    programs.push_back({{first}});
    for (const Program::Step& second : steps) {
      programs.push_back({{first, second}});
    }
  }
  return programs;
}

// `program` with another operation or constant somewhere, which gives another
// function: at a single step each of the three and nine differ, and of two
// steps one changes alone.
Program Spoil(Program program, Draws& draws) {
  const Program right = program;
  do {
    program = right;
    Program::Step& step = program.steps[draws.Below(program.steps.size())];
    if (draws.Chance(0.5)) {
      step.operation = static_cast<int>(draws.Below(kOperationCount));
    } else {
      step.constant = 1 + static_cast<int>(draws.Below(kMaxConstant));
    }
  } while (TestsOf(program) == TestsOf(right));
  return program;
}

template <typename Rows, typename ToJson>
absl::Status WriteRows(const Rows& rows, const std::string& path,
                       const ToJson& to_json) {
  std::string lines;
  for (const auto& row : rows)
    absl::StrAppend(&lines, to_json(row).dump(), "\n");
  return WriteFileAtomically(path, lines);
}

}  // namespace

absl::StatusOr<TaskData> MakeAdditionTask(const TaskDataOptions& options,
                                          int32_t limit, bool rate) {
  RETURN_IF_ERROR(CheckOptions(options));
  RETURN_IF_ERROR(CheckRange("limit", limit, 2, 1000));
  std::vector<TaskData::Task> tasks;
  for (int32_t a = 0; a < limit; ++a) {
    for (int32_t b = 0; b < limit; ++b) {
      tasks.push_back(
          {absl::StrCat(a, "+", b, "="), AsAnswer(a + b), absl::StrCat(a + b)});
    }
  }
  Shuffle(options.seed, kShuffleStream, tasks);
  TaskData data = Divide(options, tasks, [&tasks](size_t i, Draws& draws) {
    const int64_t truth = std::atoi(tasks[i].ground_truth.c_str());
    const int64_t off = 1 + static_cast<int64_t>(draws.Below(kMaxOff));
    return AsAnswer(draws.Chance(0.5) && truth >= off ? truth - off
                                                      : truth + off);
  });
  if (rate) {
    Rate(data.train, 2 * limit - 2, data.ratings);
    Rate(data.heldout, 2 * limit - 2, data.ratings);
  }
  return data;
}

absl::StatusOr<TaskData> MakeProgramTask(const TaskDataOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  std::vector<Program> programs = AllPrograms();
  Shuffle(options.seed, kShuffleStream, programs);
  std::vector<TaskData::Task> tasks;
  for (const Program& program : programs) {
    tasks.push_back({PromptOf(program), CodeOf(program), TestsOf(program)});
  }
  return Divide(options, tasks, [&programs](size_t i, Draws& draws) {
    return CodeOf(Spoil(programs[i], draws));
  });
}

absl::Status WriteTaskData(const TaskData& data, const std::string& folder) {
  RETURN_IF_ERROR(MakeDirectories(folder));
  const auto path = [&](const char* name) { return JoinPath(folder, name); };
  const auto pair = [](const auto& row) {
    return Json{{"prompt", row.prompt}, {"response", row.response}};
  };
  // A verifier is asked about the right response, too.
  const auto solved = [](const TaskData::Task& row) {
    return Json{{"prompt", row.prompt},
                {"response", row.response},
                {"ground_truth", row.ground_truth}};
  };
  const auto task = [](const TaskData::Task& row) {
    return Json{{"prompt", row.prompt}, {"ground_truth", row.ground_truth}};
  };
  RETURN_IF_ERROR(WriteRows(data.examples, path("examples.jsonl"), pair));
  RETURN_IF_ERROR(WriteRows(data.heldout, path("heldout.jsonl"), solved));
  RETURN_IF_ERROR(WriteRows(data.train, path("prompts.jsonl"), task));
  RETURN_IF_ERROR(WriteRows(data.heldout, path("heldout_prompts.jsonl"), task));
  if (data.ratings.empty()) return absl::OkStatus();
  return WriteRows(data.ratings, path("ratings.jsonl"),
                   [](const TaskData::Rating& row) {
                     return Json{{"prompt", row.prompt},
                                 {"response", row.response},
                                 {"rating", row.rating}};
                   });
}

}  // namespace operant
