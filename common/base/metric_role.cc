#include "absl/time/clock.h"
#include "common/base/metric_families.h"
#include "common/base/metric_registration.h"
#include "grpcpp/grpcpp.h"

namespace operant {

std::unique_ptr<MetricRegistry> CreateMetricsFor(MetricRole role) {
  std::unique_ptr<MetricRegistry> registry = MetricRegistry::Create();
  RegisterMetrics(role, UnixSeconds(absl::Now()), registry.get());
  registry
      ->Get(metric::kBuildInfo, {OPERANT_VERSION, OPERANT_TORCH_VERSION,
                                 grpc::Version(), OPERANT_COMPILER})
      .Set(1);
  return registry;
}

}  // namespace operant
