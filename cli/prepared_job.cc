#include "cli/prepared_job.h"

#include <string>
#include <utility>
#include <vector>

#include "cli/arguments.h"
#include "cli/exit_codes.h"
#include "cli/model_library.h"
#include "runtime/storage/file_system.h"

namespace dime::cli {
namespace {

// Inputs that are not there, or are no files, are found before anything is written.
absl::Status CheckInputs(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(pattern));
    DIME_ASSIGN_OR_RETURN(const std::vector<std::string> paths, fs->Glob(pattern));
    if (paths.empty()) return base::NotFound("no file matches '{}'", pattern);
    for (const std::string& path : paths) {
      const absl::StatusOr<storage::FileInfo> info = fs->Stat(path);
      if (absl::IsNotFound(info.status())) return base::NotFound("there is no file '{}'", path);
      DIME_RETURN_IF_ERROR(info.status());
      if (!info->is_directory) continue;
      return base::NotFound("{} is a directory; give files, or a pattern such as '{}'", path,
                            storage::JoinPath(path, "*.csv"));
    }
  }
  return absl::OkStatus();
}

absl::Status CreateJobDir(const std::string& path) {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(path));
  return fs->CreateDirectories(path);
}

}  // namespace

std::optional<PreparedJob> PrepareJob(const char* command, const TrainingRequest& request,
                                      int* exit_code) {
  const auto fail = [&](int code) {
    *exit_code = code;
    return std::nullopt;
  };
  absl::StatusOr<models::ModelDescription> description = FindModel(request.own.model);
  if (!description.ok()) return fail(ReportError(command, description.status()));
  if (const absl::Status fits = ApplyModelFlags(request.trainer, &*description); !fits.ok()) {
    return fail(ReportUsageError(command, base::MessageOf(fits)));
  }
  absl::StatusOr<worker::TrainingOptions> options = OptionsOf(request, description->training);
  if (!options.ok()) return fail(ReportError(command, options.status()));
  if (const absl::Status possible = worker::CheckOptions(*options); !possible.ok()) {
    return fail(ReportUsageError(command, base::MessageOf(possible)));
  }
  for (const auto* files : {&options->train_files, &options->eval_files}) {
    if (const absl::Status found = CheckInputs(*files); !found.ok()) {
      ReportError(command, found);
      return fail(ExitCodeOfInput(found));
    }
  }
  if (const absl::Status created = CreateJobDir(options->job_dir); !created.ok()) {
    ReportError(command, created);
    return fail(ExitCodeOfWrite(created));
  }
  return PreparedJob{*std::move(description), *std::move(options)};
}

}  // namespace dime::cli
