// Counts and times every call of a server or a channel under the ecosystem's
// names (grpc_server_handled_total and so on), so that stock dashboards work.
// Labels are services and methods of this build: a call to anything else never
// reaches an interceptor.
#ifndef OPERANT_COMMON_BASE_RPC_METRICS_H_
#define OPERANT_COMMON_BASE_RPC_METRICS_H_

#include <memory>
#include <vector>

#include "common/base/metrics.h"
#include "grpcpp/support/client_interceptor.h"
#include "grpcpp/support/server_interceptor.h"

namespace operant {

using ServerInterceptors = std::vector<
    std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>;
using ClientInterceptors = std::vector<
    std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>>;

// Empty for a null registry. The interceptors hold a share of the metrics, so
// that a call may end after its process's registry.
ServerInterceptors ServerMetrics(MetricRegistry* registry);
ClientInterceptors ClientMetrics(MetricRegistry* registry);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_RPC_METRICS_H_
