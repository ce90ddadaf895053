// Structured logs: one event, a few typed fields, one line.
//
//   LogInfo("weights active", {{"version", 7}, {"pause_us", 12}});
//
// text: 12:03:04.567 I rollout/0 weights active version=7 pause_us=12
// json: {"ts":...,"level":"info","role":"rollout","rank":0,"event":...}
//
// Values are escaped: control characters never reach a terminal. Prompt or
// response text is never logged. Thread-safe.
#ifndef OPERANT_COMMON_BASE_LOG_H_
#define OPERANT_COMMON_BASE_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace operant {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

struct LogOptions {
  std::string role;  // "learner", "rollout", ...; shown on each line
  int rank = 0;      // number within the role
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;
};

// Configures the process's logger (standard error). Call once, early; logging
// before it uses the defaults.
void InitLogging(const LogOptions& options);

// A named value. Numbers and booleans stay bare in both formats.
struct LogField {
  template <typename T>
  requires std::is_arithmetic_v<T> LogField(std::string_view k, T v)
      : key(k), value(Number(v)), quoted(false) {}
  LogField(std::string_view k, std::string_view v)
      : key(k), value(v), quoted(true) {}
  LogField(std::string_view k, const char* v)
      : key(k), value(v), quoted(true) {}
  LogField(std::string_view k, const std::string& v)
      : key(k), value(v), quoted(true) {}

  std::string_view key;
  std::string value;
  bool quoted;

 private:
  static std::string Number(bool v) { return v ? "true" : "false"; }
  static std::string Number(double v);
  static std::string Number(float v) { return Number(static_cast<double>(v)); }
  template <typename T>
  requires std::is_integral_v<T>
  static std::string Number(T v) { return std::to_string(v); }
};

using LogFields = std::initializer_list<LogField>;

void LogDebug(std::string_view event, LogFields fields = {});
void LogInfo(std::string_view event, LogFields fields = {});
void LogWarning(std::string_view event, LogFields fields = {});
void LogError(std::string_view event, LogFields fields = {});

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_LOG_H_
