// The faults of a configuration, gathered so that all are reported at once.
#ifndef OPERANT_COMMON_BASE_CONFIG_FAULTS_H_
#define OPERANT_COMMON_BASE_CONFIG_FAULTS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace operant::internal {

// A value as an error shows it: escaped, cut to 80 bytes, "nothing" if empty.
std::string ShownValue(std::string_view value);

// What is wrong with the value of one key.
struct ValueFault {
  std::string key;
  std::string value;  // as it was given
  std::string expected;
  std::string next_step;  // may be empty
};

class ConfigFaults {
 public:
  // A whole line, which says where.
  void Add(std::string line);
  // "key: value ..., expected ...; next step".
  void Add(const ValueFault& fault);

  bool empty() const { return lines_.empty(); }
  // OK, or InvalidArgument with one fault a line (the first 50).
  absl::Status ToStatus() const;

 private:
  std::vector<std::string> lines_;
};

}  // namespace operant::internal

#endif  // OPERANT_COMMON_BASE_CONFIG_FAULTS_H_
