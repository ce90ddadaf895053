// Files of configuration tests, in a folder of their own.
#ifndef OPERANT_TESTS_COMMON_BASE_CONFIG_FILES_H_
#define OPERANT_TESTS_COMMON_BASE_CONFIG_FILES_H_

#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "gtest/gtest.h"

namespace operant {

class ConfigFiles {
 public:
  ConfigFiles()
      : folder_(absl::StrCat(
            testing::TempDir(), "/config.", getpid(), ".",
            testing::UnitTest::GetInstance()->current_test_info()->name())) {
    EXPECT_TRUE(MakeDirectories(folder_).ok());
  }
  ~ConfigFiles() { EXPECT_TRUE(RemoveTree(folder_).ok()); }
  ConfigFiles(const ConfigFiles&) = delete;
  ConfigFiles& operator=(const ConfigFiles&) = delete;

  // The path of a file with these contents. Not synced, so that a property
  // may write thousands.
  std::string Write(const std::string& name, const std::string& contents) {
    const std::string path = Path(name);
    std::ofstream(path, std::ios::binary) << contents;
    return path;
  }
  std::string Path(const std::string& name) const {
    return JoinPath(folder_, name);
  }

 private:
  const std::string folder_;
};

}  // namespace operant

#endif  // OPERANT_TESTS_COMMON_BASE_CONFIG_FILES_H_
