// write_method_roles DESCRIPTOR_SET OUTPUT: the table of
// common/base/method_roles.cc. Fails where a method names no caller.
#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/access_rules.h"

namespace {

absl::StatusOr<std::string> TableOf(const char* path) {
  google::protobuf::FileDescriptorSet files;
  std::ifstream in(path, std::ios::binary);
  if (!files.ParseFromIstream(&in)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read descriptors: file=", path));
  }
  const auto rules = operant::AccessRulesOf(files);
  if (!rules.ok()) return rules.status();
  std::string table = "// Generated from proto/operant/v1.\n";
  for (const auto& [method, roles] : *rules) {
    absl::StrAppend(&table, "{\"", method, "\", ", roles, "},\n");
  }
  return table;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const auto table = TableOf(argv[1]);
  if (!table.ok()) {
    std::fprintf(stderr, "%s\n", std::string(table.status().message()).c_str());
    return 65;
  }
  std::ofstream out(argv[2]);
  out << *table;
  return out.flush() ? 0 : 74;
}
