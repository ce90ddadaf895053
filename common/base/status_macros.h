// The two macros of this code base: early return on an error Status.
#ifndef OPERANT_COMMON_BASE_STATUS_MACROS_H_
#define OPERANT_COMMON_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the Status of `expr` from the enclosing function unless it is OK.
#define RETURN_IF_ERROR(expr)                          \
  do {                                                 \
    absl::Status operant_status_ = (expr);             \
    if (!operant_status_.ok()) return operant_status_; \
  } while (false)

#define OPERANT_CONCAT_INNER_(a, b) a##b
#define OPERANT_CONCAT_(a, b) OPERANT_CONCAT_INNER_(a, b)
#define OPERANT_ASSIGN_OR_RETURN_(result, lhs, expr)   \
  auto result = (expr);                                \
  if (!result.ok()) return std::move(result).status(); \
  lhs = std::move(result).value()

// Assigns the value of the StatusOr `expr` to `lhs` (which may declare a
// variable), or returns its Status from the enclosing function.
#define ASSIGN_OR_RETURN(lhs, expr)                                          \
  OPERANT_ASSIGN_OR_RETURN_(OPERANT_CONCAT_(operant_result_, __LINE__), lhs, \
                            expr)

#endif  // OPERANT_COMMON_BASE_STATUS_MACROS_H_
