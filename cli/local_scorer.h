// A reward server for the length of one command.
#ifndef OPERANT_CLI_LOCAL_SCORER_H_
#define OPERANT_CLI_LOCAL_SCORER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cli/config_flags.h"

namespace operant::cli {

// Ends its process, `operant reward`, when destroyed.
class LocalScorer {
 public:
  // Starts the built-in scorer of the configuration that `flags` name. Errors:
  // it does not serve (with its exit code and the last lines of its log).
  static absl::StatusOr<std::unique_ptr<LocalScorer>> Start(
      const ConfigFlags& flags);
  virtual ~LocalScorer() = default;

  virtual const std::string& address() const = 0;
};

}  // namespace operant::cli

#endif  // OPERANT_CLI_LOCAL_SCORER_H_
