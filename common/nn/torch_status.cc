#include "common/nn/torch_status.h"

#include <torch/torch.h>

#include <new>
#include <string>

#include "absl/strings/str_cat.h"

namespace operant {
namespace {

constexpr size_t kMaxMessage = 1024;

std::string Message(std::string_view where, std::string_view what) {
  return absl::StrCat(std::string(where), ": ",
                      std::string(what.substr(0, kMaxMessage)));
}

}  // namespace

absl::Status TorchExceptionStatus(std::string_view where) {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& e) {
    return absl::ResourceExhaustedError(
        Message(where, e.what_without_backtrace()));
  } catch (const c10::NotImplementedError& e) {
    return absl::UnimplementedError(Message(where, e.what_without_backtrace()));
  } catch (const c10::DistNetworkError& e) {
    return absl::UnavailableError(Message(where, e.what_without_backtrace()));
  } catch (const c10::DistStoreError& e) {
    return absl::UnavailableError(Message(where, e.what_without_backtrace()));
  } catch (const c10::DistBackendError& e) {
    return absl::AbortedError(Message(where, e.what_without_backtrace()));
  } catch (const c10::Error& e) {
    return absl::InternalError(Message(where, e.what_without_backtrace()));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(Message(where, "out of memory"));
  } catch (const std::exception& e) {
    return absl::InternalError(Message(where, e.what()));
  } catch (...) {
    return absl::InternalError(Message(where, "unknown exception"));
  }
}

}  // namespace operant
