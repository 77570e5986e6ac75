#include "runtime/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

namespace dime::base {
namespace {

spdlog::level::level_enum LevelOf(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return spdlog::level::debug;
    case Severity::kInfo:
      return spdlog::level::info;
    case Severity::kWarning:
      return spdlog::level::warn;
    case Severity::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// The name of the severity in capitals, which none of spdlog's own flags gives.
class SeverityFlag : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string_view name = NameOf(message.level);
    out.append(name.data(), name.data() + name.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<SeverityFlag>();
  }

 private:
  static std::string_view NameOf(spdlog::level::level_enum level) {
    switch (level) {
      case spdlog::level::debug:
        return "DEBUG";
      case spdlog::level::info:
        return "INFO";
      case spdlog::level::warn:
        return "WARNING";
      default:
        return "ERROR";
    }
  }
};

struct Logger {
  Logger() : spdlog("dime", std::make_shared<spdlog::sinks::stderr_sink_st>()) {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<SeverityFlag>('*').set_pattern("%* %H:%M:%S %v");
    spdlog.set_formatter(std::move(formatter));
    spdlog.set_level(spdlog::level::trace);
  }

  std::atomic<Severity> min_severity{Severity::kInfo};
  std::mutex mutex;  // Guards what follows: hooks and line are one step.
  spdlog::logger spdlog;
  std::string name;
  std::function<void()> before;
  std::function<void()> after;
};

// Never destroyed, so that destructors of other statics can still log.
Logger& TheLogger() {
  static auto* const logger = new Logger;
  return *logger;
}

}  // namespace

void SetLogName(std::string name) {
  Logger& logger = TheLogger();
  const std::lock_guard lock(logger.mutex);
  logger.name = std::move(name);
}

void SetMinLogSeverity(Severity severity) { TheLogger().min_severity = severity; }

bool ShouldLog(Severity severity) { return severity >= TheLogger().min_severity; }

void SetLogHooks(std::function<void()> before, std::function<void()> after) {
  Logger& logger = TheLogger();
  const std::lock_guard lock(logger.mutex);
  logger.before = std::move(before);
  logger.after = std::move(after);
}

void LogLine(Severity severity, std::string_view message) {
  if (!ShouldLog(severity)) return;
  // A name from a file must not be able to forge a second line.
  std::string line(message);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  Logger& logger = TheLogger();
  const std::lock_guard lock(logger.mutex);
  if (!logger.name.empty()) line = fmt::format("{}: {}", logger.name, line);
  if (logger.before) logger.before();
  logger.spdlog.log(LevelOf(severity), line);
  if (logger.after) logger.after();
}

}  // namespace dime::base
