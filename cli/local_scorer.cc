#include "cli/local_scorer.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/run/supervisor.h"

namespace operant::cli {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(60);
constexpr absl::Duration kStopGrace = absl::Seconds(5);

absl::StatusOr<std::string> MakeTemporaryFolder() {
  std::string pattern = JoinPath(
      std::filesystem::temp_directory_path().string(), "operant_scorer_XXXXXX");
  if (mkdtemp(pattern.data()) == nullptr) {
    return ErrnoStatus(errno, "cannot create", pattern);
  }
  return pattern;
}

class ScorerProcess : public LocalScorer {
 public:
  explicit ScorerProcess(std::string folder) : folder_(std::move(folder)) {}
  ~ScorerProcess() override {
    supervisor_.StopAll(kStopGrace);
    RemoveTree(folder_).IgnoreError();
  }

  absl::Status Launch(const ConfigFlags& flags) {
    const std::string announce = JoinPath(folder_, "address");
    std::vector<std::string> args = {"/proc/self/exe", "reward", "--announce",
                                     announce};
    for (const std::string& file : flags.files) {
      args.insert(args.end(), {"--config", file});
    }
    args.insert(args.end(), flags.overrides.begin(), flags.overrides.end());
    // Ours alone, on a loopback address: whatever the run's servers show.
    args.insert(args.end(),
                {"security.certs=\"\"", "security.certificate=\"\"",
                 "security.key=\"\"", "security.ca=\"\"",
                 "security.token_file=\"\"", "security.plaintext=true"});
    RETURN_IF_ERROR(
        supervisor_.Start({.role = "reward",
                           .args = std::move(args),
                           .environment = {},
                           .log_path = JoinPath(folder_, "reward.log")}));
    ASSIGN_OR_RETURN(
        const Announcement serving,
        supervisor_.WaitServing("reward", announce, kStartTimeout));
    address_ = serving.address;
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }

 private:
  const std::string folder_;
  Supervisor supervisor_;
  std::string address_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LocalScorer>> LocalScorer::Start(
    const ConfigFlags& flags) {
  ASSIGN_OR_RETURN(std::string folder, MakeTemporaryFolder());
  auto scorer = std::make_unique<ScorerProcess>(std::move(folder));
  RETURN_IF_ERROR(scorer->Launch(flags));
  return scorer;
}

}  // namespace operant::cli
