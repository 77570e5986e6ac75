#include "cli/exit_codes.h"

namespace dime::cli {
namespace {

constexpr ExitCodeMeaning kMeanings[] = {
    {kExitOk, "done"},
    {kExitUsage, "the command line is wrong, or asks for what is not built yet"},
    {kExitData, "input data or a job directory are bad, damaged, or not where they should be"},
    {kExitUnavailable, "storage or a peer could not be reached in time; trying again may help"},
    {kExitBug, "a bug in dime: please report it, with the message"},
    {kExitIo,
     "reading or writing failed: disk full or failing, checkpoints that could not be written, no "
     "directory, out of memory"},
    {kExitStale, "a replica that was thought lost, and another start of it has taken its place"},
    {kExitPermission, "not allowed: permissions or credentials"},
    {kExitConfig,
     "a model description or a job's page is wrong, the job directory holds another model, or "
     "training has "
     "diverged"},
    {kExitHungUp, "the terminal went away (SIGHUP); training has written a checkpoint first"},
    {kExitInterrupted, "interrupted (Ctrl-C); training has written a checkpoint first"},
    {kExitUnread, "nobody reads the output any more"},
    {kExitTerminated, "terminated (SIGTERM); training has written a checkpoint first"},
};

}  // namespace

std::span<const ExitCodeMeaning> ExitCodeMeanings() { return kMeanings; }

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kUnimplemented:
      return kExitUsage;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kDataLoss:
      return kExitData;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
      return kExitUnavailable;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kResourceExhausted:
      return kExitIo;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kExitPermission;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return kExitConfig;
    case absl::StatusCode::kCancelled:
      return kExitInterrupted;
    default:
      return kExitBug;
  }
}

ExitCode ExitCodeOfInput(const absl::Status& status) {
  const ExitCode code = ExitCodeOf(status);
  return code == kExitConfig ? kExitData : code;
}

ExitCode ExitCodeOfJob(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? kExitIo : ExitCodeOf(status);
}

ExitCode ExitCodeOfWrite(const absl::Status& status) {
  const ExitCode code = ExitCodeOf(status);
  return code == kExitData || code == kExitConfig || code == kExitUnavailable ? kExitIo : code;
}

}  // namespace dime::cli
