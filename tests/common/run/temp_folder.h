// An empty folder of a test's own.
#ifndef OPERANT_TESTS_COMMON_RUN_TEMP_FOLDER_H_
#define OPERANT_TESTS_COMMON_RUN_TEMP_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"

namespace operant {

// Created and removed with this object.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = testing::TempDir() + "operant_run_XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace operant

#endif  // OPERANT_TESTS_COMMON_RUN_TEMP_FOLDER_H_
