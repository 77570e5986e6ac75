// runtime/base/log.h - the log: one line a message on stderr, with time and severity.
//
// Threads: any. Libraries log only what a user has to know although the call succeeded (a damaged
// checkpoint that was passed over, say); what failed is returned as a status. cli/ chooses the
// severity that is shown and where it goes.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace dime::base {

enum class Severity { kDebug, kInfo, kWarning, kError };

// Messages below `severity` are dropped. The default is kInfo.
void SetMinLogSeverity(Severity severity);
bool ShouldLog(Severity severity);

// Stands in front of every message from here on: which of a job's processes says it.
void SetLogName(std::string name);

// Runs before and after every line, so that a progress bar can step aside. Either may be empty;
// neither may log, or change the hooks.
void SetLogHooks(std::function<void()> before, std::function<void()> after);

void LogLine(Severity severity, std::string_view message);

template <typename... Args>
void Log(Severity severity, fmt::format_string<Args...> format, Args&&... args) {
  if (ShouldLog(severity)) LogLine(severity, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace dime::base
