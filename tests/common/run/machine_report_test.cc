#include "common/run/machine_report.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/run/peer_reach.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

void Write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(
      std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

std::string Line(const std::vector<ReportLine>& report,
                 const std::string& name) {
  for (const ReportLine& line : report)
    if (line.name == name) return line.text;
  return "no line " + name;
}

const char* NoEnvironment(const char*) { return nullptr; }

TEST(MachineReportTest, DevicesAndLimitsAreReadFromTheSystemsFiles) {
  const std::string root = testing::TempDir() + "operant_machine";
  std::filesystem::remove_all(root);
  Write(root + "/proc/meminfo", "MemTotal:       2097152 kB\nMemFree: 1 kB\n");
  Write(root + "/sys/fs/cgroup/memory.max", "1073741824\n");
  Write(root + "/proc/driver/nvidia/gpus/0000:01:00.0/information",
        "Model:           NVIDIA H100\nIRQ: 1\n");
  Write(root + "/proc/driver/nvidia/gpus/0000:02:00.0/information",
        "Model:           NVIDIA H100\n");
  Write(root + "/sys/class/infiniband/mlx5_0/x", "");
  const auto report = DescribeMachine(root, NoEnvironment);
  EXPECT_EQ(Line(report, "memory"),
            "2.0 GiB in all, 1.0 GiB for this container");
  EXPECT_EQ(Line(report, "gpus"), "2 x NVIDIA H100");
  EXPECT_EQ(Line(report, "rdma"), "mlx5_0");
}

TEST(MachineReportTest, ABareMachineSaysSo) {
  const std::string root = testing::TempDir() + "operant_bare";
  std::filesystem::remove_all(root);
  Write(root + "/proc/meminfo", "MemTotal: 1048576 kB\n");
  Write(root + "/sys/fs/cgroup/memory.max", "max\n");
  const auto report = DescribeMachine(root, NoEnvironment);
  EXPECT_EQ(Line(report, "memory"), "1.0 GiB in all, no limit");
  EXPECT_EQ(Line(report, "gpus"), "none");
  EXPECT_EQ(Line(report, "rdma"), "no adapter");
  EXPECT_THAT(Line(report, "shared"), StartsWith("none"));
  EXPECT_THAT(Line(report, "rank"), StartsWith("neither"));
}

TEST(MachineReportTest, TheRankIsTheSchedulers) {
  const auto environment = [](const char* name) -> const char* {
    return std::strcmp(name, "SLURM_PROCID") == 0 ? "3" : nullptr;
  };
  EXPECT_EQ(Line(DescribeMachine("", environment), "rank"), "SLURM_PROCID=3");
}

// A port of this machine: bound, and listened on if asked for.
class Port {
 public:
  explicit Port(bool listens) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(fd_, raw, size), 0);
    EXPECT_EQ(getsockname(fd_, raw, &size), 0);
    if (listens) {
      EXPECT_EQ(listen(fd_, 1), 0);
    }
    number_ = ntohs(address.sin_port);
  }
  ~Port() { close(fd_); }
  int number() const { return number_; }

 private:
  int fd_;
  int number_ = 0;
};

TEST(PeerReachTest, AServerAMachineWithoutOneAndNobodyAreToldApart) {
  const Port listening(true), silent(false);
  const auto served =
      Reach({"127.0.0.1", listening.number()}, absl::Seconds(2));
  ASSERT_TRUE(served.ok()) << served.status();
  EXPECT_THAT(*served, HasSubstr("connected in"));
  const auto refused = Reach({"127.0.0.1", silent.number()}, absl::Seconds(2));
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_THAT(*refused, HasSubstr("nothing listens"));
  EXPECT_EQ(
      Reach({"no-such-name.invalid", 1}, absl::Seconds(2)).status().code(),
      absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace operant
