// The directory of one training job:
//
//   ROOT/NAME/  config.yaml           resolved configuration
//               ledger.sqlite         what counted, and how it came about
//               checkpoints/step_N/   Hugging Face folder + trainer_state/
//               model/                the result, a Hugging Face folder
//               metrics.jsonl         one row a step
//               samples/step_N.jsonl  full trajectories
//               logs/ROLE.log         what each process said
//               plots/                SVG
//               result.json           raw against trained, costs
//               .lock                 held while a process works on the run
//
// A directory is *used* once it holds a checkpoint, metrics.jsonl or
// result.json: a start that failed before the first step can be repeated
// without clearing anything away.
#ifndef OPERANT_COMMON_RUN_RUN_DIRECTORY_H_
#define OPERANT_COMMON_RUN_RUN_DIRECTORY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "operant/v1/config.pb.h"

namespace operant {

// Holds the run's lock until destroyed. Thread-safe after creation.
class RunDirectory {
 public:
  enum class Mode {
    kFresh,   // a used directory is refused
    kResume,  // a used directory is gone on with; none is started anew
  };

  // Creates what is missing of ROOT/NAME and takes its lock. A child of the
  // lock's holder shares it: the supervisor locks the run, and its learner
  // works in it.
  //
  // Errors: InvalidArgument (unsafe name), AlreadyExists (used, with kFresh),
  // FailedPrecondition (another process works on it; names its pid), and as the
  // system says.
  static absl::StatusOr<std::unique_ptr<RunDirectory>> Open(
      const std::string& root, const std::string& name, Mode mode);
  // AlreadyExists: Open would refuse ROOT/NAME with kFresh. Writes nothing.
  static absl::Status CheckUnused(const std::string& root,
                                  const std::string& name);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::string& path() const { return path_; }
  // Whether it was used before it was opened (so: this is a resumed run).
  bool was_used() const { return was_used_; }

  std::string config_path() const;
  std::string checkpoints_path() const;
  std::string checkpoint_path(int64_t step) const;
  std::string model_path() const;
  std::string ledger_path() const;
  std::string metrics_path() const;
  std::string samples_path(int64_t step) const;
  std::string log_path(const std::string& role) const;
  std::string plot_path(const std::string& name) const;  // plots/NAME.svg
  std::string result_path() const;

  // Writes config.yaml, atomically.
  absl::Status WriteConfig(const v1::RunConfig& config) const;
  // Adds the keys of `json_object` to result.json (RFC 7396: objects merge,
  // anything else replaces), atomically. InvalidArgument if it is no object,
  // DataLoss if the file holds none.
  absl::Status MergeResult(std::string_view json_object) const;

 private:
  RunDirectory(std::string path, int lock_fd, bool was_used)
      : path_(std::move(path)), lock_fd_(lock_fd), was_used_(was_used) {}

  const std::string path_;
  const int lock_fd_;  // -1: shared with the parent process
  const bool was_used_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_RUN_DIRECTORY_H_
