// `operant deploy render`: a run's configuration in, the files that launch it
// out. Pure: no clock, no files, no network.
#ifndef OPERANT_COMMON_DEPLOY_RENDER_H_
#define OPERANT_COMMON_DEPLOY_RENDER_H_

#include "absl/status/statusor.h"
#include "common/deploy/deployment.h"
#include "common/deploy/templates.h"
#include "operant/v1/config.pb.h"

namespace operant::deploy {

// `config` is resolved and valid for training. InvalidArgument names every key
// that the target needs and lacks, or that cannot run there (deploy_checks.h).
absl::StatusOr<Files> RenderDeployment(const v1::RunConfig& config,
                                       Target target);

// One for each target; `config` has passed CheckDeployable.
absl::StatusOr<Files> RenderK8s(const v1::RunConfig& config);
absl::StatusOr<Files> RenderSlurm(const v1::RunConfig& config);
absl::StatusOr<Files> RenderCompose(const v1::RunConfig& config);
absl::StatusOr<Files> RenderSystemd(const v1::RunConfig& config);

}  // namespace operant::deploy

#endif  // OPERANT_COMMON_DEPLOY_RENDER_H_
