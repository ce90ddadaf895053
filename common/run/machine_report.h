// What a process of a job finds on its machine: the first thing to look at when
// a run on a cluster does not start.
#ifndef OPERANT_COMMON_RUN_MACHINE_REPORT_H_
#define OPERANT_COMMON_RUN_MACHINE_REPORT_H_

#include <functional>
#include <string>
#include <vector>

namespace operant {

struct ReportLine {
  std::string name;  // "host", "rank", "memory", ...
  std::string text;  // what is so; never empty
};

// std::getenv, or a test's.
using Environment = std::function<const char*(const char*)>;

// Host and addresses, rank as Slurm or Kubernetes gives it, cores, memory and
// the container's limit of it, shared memory, GPUs, NCCL, RDMA adapters. Files
// of /proc and /sys are read below `root` ("" on a real machine). Starts and
// changes nothing; what cannot be read is said in its line.
std::vector<ReportLine> DescribeMachine(const std::string& root,
                                        const Environment& environment);

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_MACHINE_REPORT_H_
