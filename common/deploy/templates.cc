#include "common/deploy/templates.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/deploy/templates_data.h"  // generated
#include "common/deploy/text_template.h"

namespace operant::deploy {
absl::StatusOr<std::string> DeployFile(const std::string& path) {
  for (const kDeployFileRow& row : kDeployFile) {
    if (path == row.path)
      return std::string(reinterpret_cast<const char*>(row.bytes), row.size);
  }
  return absl::NotFoundError(absl::StrCat("no template deploy/", path));
}

absl::Status AddRendered(const std::string& path, const std::string& name,
                         const nlohmann::json& data, Files& files) {
  ASSIGN_OR_RETURN(files[path], RenderTemplate(DeployFile, name, data));
  return absl::OkStatus();
}

}  // namespace operant::deploy
