// runtime/base/status.h - how errors travel: Abseil's Status, made short to write and rich to read.
//
// A message says what was tried, on what, why it failed and, where it helps, what to do. Callers on
// the way up add what they were doing with Annotate(). Codes follow Abseil's meaning;
// cli/exit_codes.h turns them into exit codes.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace dime::base {

// Each builds a status of its code with a formatted message: InvalidArgument("no column '{}'",
// name).
#define DIME_DEFINE_ERROR(Name)                                                         \
  template <typename... Args>                                                           \
  [[nodiscard]] absl::Status Name(fmt::format_string<Args...> format, Args&&... args) { \
    return absl::Name##Error(fmt::format(format, std::forward<Args>(args)...));         \
  }
DIME_DEFINE_ERROR(InvalidArgument)  // The caller's input or configuration is wrong: never retried.
DIME_DEFINE_ERROR(NotFound)         // A file or name that was asked for does not exist.
DIME_DEFINE_ERROR(AlreadyExists)    //
DIME_DEFINE_ERROR(
    FailedPrecondition)      // The state of things forbids it (another model's job directory, say).
DIME_DEFINE_ERROR(DataLoss)  // Bytes that were read are damaged or are not what they claim to be.
DIME_DEFINE_ERROR(OutOfRange)         // A record is bad or a limit is exceeded.
DIME_DEFINE_ERROR(PermissionDenied)   //
DIME_DEFINE_ERROR(ResourceExhausted)  // Disk, memory or quota; a disk that fails.
DIME_DEFINE_ERROR(Aborted)            // Somebody else was first, or holds what is needed.
DIME_DEFINE_ERROR(Unavailable)        // A peer or source did not answer: trying again may help.
DIME_DEFINE_ERROR(DeadlineExceeded)   //
DIME_DEFINE_ERROR(Cancelled)          // Somebody asked to stop.
DIME_DEFINE_ERROR(Unimplemented)      //
DIME_DEFINE_ERROR(Internal)           // A bug of ours.
#undef DIME_DEFINE_ERROR

// `status` with "context: " in front of its message, same code. OK stays OK.
[[nodiscard]] absl::Status Annotate(const absl::Status& status, std::string_view context);

// The status for a failed system call: the code that fits `error_number`, and "what: strerror".
[[nodiscard]] absl::Status ErrnoToStatus(int error_number, std::string_view what);

// The message as a std::string_view, for printing.
[[nodiscard]] inline std::string_view MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace dime::base

#define DIME_RETURN_IF_ERROR(expression)                                                \
  do {                                                                                  \
    if (absl::Status dime_status = (expression); !dime_status.ok()) return dime_status; \
  } while (false)

#define DIME_STATUS_CONCAT_INNER(a, b) a##b
#define DIME_STATUS_CONCAT(a, b) DIME_STATUS_CONCAT_INNER(a, b)

// DIME_ASSIGN_OR_RETURN(auto file, fs.Open(path));
#define DIME_ASSIGN_OR_RETURN(lhs, expression) \
  DIME_ASSIGN_OR_RETURN_IMPL(DIME_STATUS_CONCAT(dime_result_, __LINE__), lhs, expression)
#define DIME_ASSIGN_OR_RETURN_IMPL(result, lhs, expression) \
  auto result = (expression);                               \
  if (!result.ok()) return std::move(result).status();      \
  lhs = *std::move(result)
