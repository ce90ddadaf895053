#include "common/deploy/render.h"

#include "common/base/status_macros.h"
#include "common/deploy/deploy_checks.h"

namespace operant::deploy {

absl::StatusOr<Files> RenderDeployment(const v1::RunConfig& config,
                                       Target target) {
  RETURN_IF_ERROR(CheckDeployable(config, target));
  switch (target) {
    case Target::kK8s:
      return RenderK8s(config);
    case Target::kSlurm:
      return RenderSlurm(config);
    case Target::kCompose:
      return RenderCompose(config);
    case Target::kSystemd:
      return RenderSystemd(config);
  }
  return absl::InternalError("no such target");
}

}  // namespace operant::deploy
