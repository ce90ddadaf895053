// Parses the text of a configuration as one YAML document.
#ifndef OPERANT_COMMON_BASE_CONFIG_DOCUMENT_H_
#define OPERANT_COMMON_BASE_CONFIG_DOCUMENT_H_

#include <string>

#include "yaml-cpp/yaml.h"

namespace operant::internal {

struct ConfigDocument {
  YAML::Node root;                            // null after a fault
  std::string fault;                          // what is wrong; empty: nothing
  YAML::Mark mark = YAML::Mark::null_mark();  // where, if that is known
};

// The document that `text` holds, null for a text without any. A second
// document, or text that belongs to none, is a fault. Takes any bytes: does not
// throw, and comes to an end.
ConfigDocument ParseConfigDocument(const std::string& text);

}  // namespace operant::internal

#endif  // OPERANT_COMMON_BASE_CONFIG_DOCUMENT_H_
