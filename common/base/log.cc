#include "common/base/log.h"

#include <charconv>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "nlohmann/json.hpp"
#include "spdlog/logger.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace operant {
namespace {

struct Logger {
  explicit Logger(const LogOptions& o);

  const LogOptions options;
  spdlog::logger sink;
};

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// What spdlog writes around a line: the time (UTC in JSON) and the level.
std::unique_ptr<spdlog::formatter> FrameFor(LogFormat format) {
  const bool json = format == LogFormat::kJson;
  return std::make_unique<spdlog::pattern_formatter>(
      json ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
           : "%H:%M:%S.%e %L %v",
      json ? spdlog::pattern_time_type::utc : spdlog::pattern_time_type::local);
}

Logger::Logger(const LogOptions& o)
    : options(o),
      sink("operant", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
  sink.set_formatter(FrameFor(o.format));
  sink.set_level(ToSpdlog(o.level));
  sink.flush_on(spdlog::level::debug);
}

// The process's logger, replaceable while others log.
class CurrentLogger {
 public:
  void Set(std::shared_ptr<Logger> logger) {
    absl::MutexLock lock(&mu_);
    logger_ = std::move(logger);
  }
  std::shared_ptr<Logger> Get() {
    absl::MutexLock lock(&mu_);
    return logger_;
  }

 private:
  absl::Mutex mu_;
  std::shared_ptr<Logger> logger_ ABSL_GUARDED_BY(mu_) =
      std::make_shared<Logger>(LogOptions{});
};

CurrentLogger& Current() {
  // Never destroyed: threads and static destructors may log to the end.
  static CurrentLogger& current = *new CurrentLogger;
  return current;
}

std::string JsonString(std::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool IsPlain(unsigned char c) {
  return c > ' ' && c != 0x7f && c != '"' && c != '\\' && c != '=';
}

// Bare where that is unambiguous, otherwise a JSON string.
std::string TextValue(const LogField& field) {
  bool plain = !field.value.empty();
  for (const unsigned char c : field.value) plain = plain && IsPlain(c);
  return plain ? field.value : JsonString(field.value);
}

// JSON has no NaN or infinity: they become strings.
std::string JsonValue(const LogField& field) {
  const std::string& v = field.value;
  const bool bare = !field.quoted && v.find('n') == v.npos;  // nan, inf
  return bare ? v : JsonString(v);
}

// Control characters become JSON escapes, so that one event stays one line.
std::string EventText(std::string_view event) {
  const std::string quoted = JsonString(event);
  return quoted.substr(1, quoted.size() - 2);
}

std::string TextLine(const LogOptions& options, std::string_view event,
                     LogFields fields) {
  std::string line;
  if (!options.role.empty()) {
    absl::StrAppend(&line, options.role, "/", options.rank, " ");
  }
  absl::StrAppend(&line, EventText(event));
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", std::string(field.key), "=", TextValue(field));
  }
  return line;
}

std::string JsonLine(const LogOptions& options, std::string_view event,
                     LogFields fields) {
  std::string line = absl::StrCat("\"role\":", JsonString(options.role),
                                  ",\"rank\":", options.rank,
                                  ",\"event\":", JsonString(event));
  for (const LogField& field : fields) {
    absl::StrAppend(&line, ",", JsonString(field.key), ":", JsonValue(field));
  }
  return line;
}

void Log(LogLevel level, std::string_view event, LogFields fields) {
  const std::shared_ptr<Logger> logger = Current().Get();
  if (!logger->sink.should_log(ToSpdlog(level))) return;
  const LogOptions& options = logger->options;
  const std::string line = options.format == LogFormat::kJson
                               ? JsonLine(options, event, fields)
                               : TextLine(options, event, fields);
  logger->sink.log(ToSpdlog(level), spdlog::string_view_t(line));
}

}  // namespace

std::string LogField::Number(double v) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), v).ptr;
  return std::string(buffer, end);
}

void InitLogging(const LogOptions& options) {
  Current().Set(std::make_shared<Logger>(options));
}

void LogDebug(std::string_view event, LogFields fields) {
  Log(LogLevel::kDebug, event, fields);
}
void LogInfo(std::string_view event, LogFields fields) {
  Log(LogLevel::kInfo, event, fields);
}
void LogWarning(std::string_view event, LogFields fields) {
  Log(LogLevel::kWarning, event, fields);
}
void LogError(std::string_view event, LogFields fields) {
  Log(LogLevel::kError, event, fields);
}

}  // namespace operant
