// Units that deployment files are written in.
#ifndef OPERANT_COMMON_DEPLOY_DEPLOY_UNITS_H_
#define OPERANT_COMMON_DEPLOY_DEPLOY_UNITS_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace operant::deploy {

// "64Gi", "512Mi", "1Ti" in MiB; 0 if it is nothing of the kind.
uint64_t Mebibytes(std::string_view quantity);

// A name of Kubernetes objects: a-z, 0-9 and '-', at most `limit`, beginning
// with a letter and not ending with '-'.
bool IsDnsLabel(std::string_view name, size_t limit = 63);

// "HH:MM:SS" or "D-HH:MM:SS".
bool IsSlurmTime(std::string_view text);

}  // namespace operant::deploy

#endif  // OPERANT_COMMON_DEPLOY_DEPLOY_UNITS_H_
