#include "common/run/machine_report.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sched.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/file_io.h"

namespace operant {
namespace {

std::string Gibibytes(uint64_t bytes) {
  return absl::StrFormat("%.1f GiB", static_cast<double>(bytes) / (1 << 30));
}

std::string Host() {
  std::array<char, 256> name = {};
  gethostname(name.data(), name.size() - 1);
  std::vector<std::string> addresses;
  ifaddrs* found = nullptr;
  if (getifaddrs(&found) == 0) {
    const absl::Cleanup free_them = [found] { freeifaddrs(found); };
    for (const ifaddrs* entry = found; entry != nullptr;
         entry = entry->ifa_next) {
      if (entry->ifa_addr == nullptr ||
          (entry->ifa_flags & IFF_LOOPBACK) != 0 ||
          entry->ifa_addr->sa_family != AF_INET) {
        continue;
      }
      std::array<char, INET_ADDRSTRLEN> text = {};
      const auto* address =
          reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
      inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size());
      addresses.push_back(absl::StrCat(entry->ifa_name, " ", text.data()));
    }
  }
  return absl::StrCat(name.data(), ": ",
                      addresses.empty() ? "no address but loopback"
                                        : absl::StrJoin(addresses, ", "));
}

std::string Rank(const Environment& environment) {
  std::vector<std::string> given;
  for (const char* name :
       {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURMD_NODENAME",
        "JOB_COMPLETION_INDEX", "POD_NAME"}) {
    if (const char* value = environment(name); value != nullptr)
      given.push_back(absl::StrCat(name, "=", value));
  }
  return given.empty() ? "neither Slurm nor Kubernetes gives one"
                       : absl::StrJoin(given, " ");
}

std::string Cores() {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  const int64_t all = sysconf(_SC_NPROCESSORS_ONLN);
  if (sched_getaffinity(0, sizeof(usable), &usable) != 0)
    return absl::StrCat(all, " cores");
  return absl::StrCat(CPU_COUNT(&usable), " of ", all, " cores may be used");
}

// The first file's whole text as a number of bytes; 0: no limit, or no file.
uint64_t LimitIn(const std::vector<std::string>& paths) {
  constexpr uint64_t kNoLimit = uint64_t{1} << 60;  // cgroup v1 says a huge one
  for (const std::string& path : paths) {
    const auto text = ReadFile(path);
    uint64_t bytes = 0;
    if (!text.ok()) continue;
    if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &bytes)) return 0;
    return bytes < kNoLimit ? bytes : 0;
  }
  return 0;
}

std::string Memory(const std::string& root) {
  const auto info = ReadFile(root + "/proc/meminfo");
  if (!info.ok()) return "unknown: /proc/meminfo cannot be read";
  uint64_t total = 0;
  for (const absl::string_view line : absl::StrSplit(*info, '\n')) {
    const std::vector<std::string> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() >= 2 && words[0] == "MemTotal:" &&
        absl::SimpleAtoi(words[1], &total)) {
      break;
    }
  }
  const uint64_t limit =
      LimitIn({root + "/sys/fs/cgroup/memory.max",
               root + "/sys/fs/cgroup/memory/memory.limit_in_bytes"});
  return absl::StrCat(
      Gibibytes(total << 10), " in all, ",
      limit > 0 ? absl::StrCat(Gibibytes(limit), " for this container")
                : "no limit");
}

std::string SharedMemory(const std::string& root) {
  struct statvfs shm = {};
  if (statvfs((root + "/dev/shm").c_str(), &shm) != 0)
    return "none: /dev/shm is not there, NCCL needs it";
  return absl::StrCat(Gibibytes(uint64_t{shm.f_blocks} * shm.f_frsize),
                      " at /dev/shm");
}

std::string Gpus(const std::string& root, const Environment& environment) {
  const std::string folder = root + "/proc/driver/nvidia/gpus";
  std::vector<std::string> models;
  for (const std::string& name :
       ListDirectory(folder).value_or(std::vector<std::string>{})) {
    const auto text = ReadFile(absl::StrCat(folder, "/", name, "/information"));
    if (!text.ok()) continue;
    for (absl::string_view line : absl::StrSplit(*text, '\n')) {
      if (absl::ConsumePrefix(&line, "Model:"))
        models.emplace_back(absl::StripAsciiWhitespace(line));
    }
  }
  const char* visible = environment("CUDA_VISIBLE_DEVICES");
  return absl::StrCat(
      models.empty() ? "none"
                     : absl::StrCat(models.size(), " x ", models.front()),
      visible == nullptr ? ""
                         : absl::StrCat(", CUDA_VISIBLE_DEVICES=", visible));
}

// ncclGetVersion of the library that a program here would load.
std::string Nccl() {
  void* library = dlopen("libnccl.so.2", RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return "none: libnccl.so.2 is not found";
  const absl::Cleanup close_it = [library] { dlclose(library); };
  auto* version_of =
      reinterpret_cast<int (*)(int*)>(dlsym(library, "ncclGetVersion"));
  int version = 0;
  if (version_of == nullptr || version_of(&version) != 0)
    return "libnccl.so.2 does not say its version";
  return absl::StrCat(version / 10000, ".", version / 100 % 100, ".",
                      version % 100);
}

std::string Rdma(const std::string& root) {
  const auto adapters = ListDirectory(root + "/sys/class/infiniband");
  return adapters.ok() && !adapters->empty() ? absl::StrJoin(*adapters, ", ")
                                             : "no adapter";
}

}  // namespace

std::vector<ReportLine> DescribeMachine(const std::string& root,
                                        const Environment& environment) {
  return {{"host", Host()},
          {"rank", Rank(environment)},
          {"cores", Cores()},
          {"memory", Memory(root)},
          {"shared", SharedMemory(root)},
          {"gpus", Gpus(root, environment)},
          {"nccl", Nccl()},
          {"rdma", Rdma(root)}};
}

}  // namespace operant
