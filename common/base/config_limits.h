// Limits that a single value of a configuration must keep, whatever the verb.
#ifndef OPERANT_COMMON_BASE_CONFIG_LIMITS_H_
#define OPERANT_COMMON_BASE_CONFIG_LIMITS_H_

#include <string>

#include "common/base/config_faults.h"
#include "operant/v1/config.pb.h"

namespace operant::internal {

// An interval such as "(0, 1]" or "[1, inf)".
bool IntervalHolds(const std::string& interval, double value);

// Adds a fault for each number outside its interval and each word outside its
// list. `config` is resolved; it is not const because sections may be created
// in it, which changes no value.
void CheckLimits(v1::RunConfig& config, ConfigFaults& faults);

}  // namespace operant::internal

#endif  // OPERANT_COMMON_BASE_CONFIG_LIMITS_H_
