// The binary as a shell sees it: exit codes and what it prints.
#ifndef OPERANT_TESTS_CLI_OPERANT_PROGRAM_H_
#define OPERANT_TESTS_CLI_OPERANT_PROGRAM_H_

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace operant {

struct Outcome {
  int exit_code = -1;
  std::string output;  // standard output and error
};

inline Outcome Operant(const std::string& arguments) {
  const std::string command =
      std::string(OPERANT_PROGRAM) + " " + arguments + " 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  Outcome outcome;
  std::array<char, 4096> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
    outcome.output += buffer.data();
  }
  outcome.exit_code = WEXITSTATUS(pclose(pipe));
  return outcome;
}

// The path of a new file of that text.
inline std::string WriteConfigFile(const std::string& name,
                                   const std::string& text) {
  const std::string path = testing::TempDir() + "operant_cli_" + name;
  std::ofstream(path) << text;
  return path;
}

// A path at which nothing is.
inline std::string FreshFolder(const std::string& name) {
  const std::string path = testing::TempDir() + "operant_cli_" + name;
  std::filesystem::remove_all(path);
  return path;
}

}  // namespace operant

#endif  // OPERANT_TESTS_CLI_OPERANT_PROGRAM_H_
