#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/interruption.h"
#include "cli/local_cluster.h"
#include "cli/model_library.h"
#include "cli/training_reporter.h"
#include "cli/training_request.h"
#include "runtime/base/log.h"
#include "runtime/storage/file_system.h"
#include "worker/training_job.h"

namespace dime::cli {
namespace {

constexpr char kName[] = "dime local train";

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

// What the command line asks for is wrong, or a page that it names is.
int ReportPlanError(const absl::Status& error) {
  const std::string_view message = base::MessageOf(error);
  if (message.starts_with("--")) return ReportUsageError(kName, message);
  return ReportError(kName, error);
}

// Starts the other replicas of a job that has some.
absl::Status JoinCluster(const ClusterPlan& plan, Words args, worker::TrainingOptions* options,
                         std::unique_ptr<LocalCluster>* others) {
  constexpr cluster::ReplicaId kMaster;
  std::string directory;
  if (!plan.is_one_process()) {
    DIME_ASSIGN_OR_RETURN(*others, LocalCluster::Start(plan, args));
    directory = (*others)->directory();
    base::Log(base::Severity::kInfo, "a cluster of {} on this host",
              cluster::FormatCounts(plan.counts()));
  }
  DIME_ASSIGN_OR_RETURN(options->cluster, ClusterOptionsOf(plan, kMaster, directory));
  if (options->num_threads == 0) options->num_threads = ThreadsOf(plan, kMaster);
  return absl::OkStatus();
}

int ReportReplicaFailure(const LocalCluster::Failure& failure, const absl::Status& consequence) {
  ReportError(kName, absl::UnavailableError(fmt::format("{}; then {}", failure.message,
                                                        base::MessageOf(consequence))));
  return failure.exit_code;
}

int Train(const TrainingRequest& request, Words args) {
  absl::StatusOr<models::ModelDescription> description = FindModel(request.own.model);
  if (!description.ok()) return ReportError(kName, description.status());
  if (const absl::Status fits = ApplyModelFlags(request.trainer, &*description); !fits.ok()) {
    return ReportUsageError(kName, base::MessageOf(fits));
  }
  const absl::StatusOr<ClusterPlan> plan = PlanCluster(request);
  if (!plan.ok()) return ReportPlanError(plan.status());
  for (const std::string& note : plan->notes) base::Log(base::Severity::kInfo, "{}", note);
  absl::StatusOr<worker::TrainingOptions> options = OptionsOf(request, description->training);
  if (!options.ok()) return ReportError(kName, options.status());
  if (const absl::Status possible = worker::CheckOptions(*options); !possible.ok()) {
    return ReportUsageError(kName, base::MessageOf(possible));
  }
  for (const auto* files : {&options->train_files, &options->eval_files}) {
    if (const absl::Status found = CheckInputs(*files); !found.ok()) {
      ReportError(kName, found);
      return ExitCodeOfInput(found);
    }
  }
  if (const absl::Status created = CreateJobDir(options->job_dir); !created.ok()) {
    ReportError(kName, created);
    return ExitCodeOfWrite(created);
  }

  std::unique_ptr<LocalCluster> others;
  if (const absl::Status joined = JoinCluster(*plan, args, &*options, &others); !joined.ok()) {
    return ReportError(kName, joined);
  }
  Interruption interruption("stopping after a checkpoint; once more stops at once");
  std::unique_ptr<StatusLine> status_line;
  if (base::ShouldLog(base::Severity::kInfo)) status_line = MakeStatusLine();
  TrainingReporter reporter(std::move(status_line), {.evaluates = !options->eval_files.empty(),
                                                     .exports = !options->export_name.empty()});
  const absl::StatusOr<worker::TrainingResult> result =
      worker::RunTrainingJob(*description, *options, reporter, interruption.token());
  if (!result.ok()) {
    reporter.Stop();
    if (others != nullptr) {
      if (const auto failure = others->AwaitFailure()) {
        return ReportReplicaFailure(*failure, result.status());
      }
    }
    ReportError(kName, result.status());
    return ExitCodeOfJob(result.status());
  }
  reporter.Finish(*result);
  if (others != nullptr) others->Join();
  if (request.own.format == "json") {
    fmt::print("{}", FormatResultJson(*result, options->job_dir));
  } else if (!result->interrupted) {
    fmt::print("{}", FormatResult(*result, options->job_dir));
  }
  return result->interrupted ? interruption.exit_code() : kExitOk;
}

}  // namespace

int RunLocalTrain(Words args) {
  const absl::StatusOr<std::optional<TrainingRequest>> request = ReadTrainingRequest(kName, args);
  if (!request.ok()) return ReportUsageError(kName, base::MessageOf(request.status()));
  if (!request->has_value()) return kExitOk;
  base::SetMinLogSeverity(LeastSeverity(**request));
  NoteIgnoredOptions((*request)->own.ignored_options);
  return Train(**request, args);
}

}  // namespace dime::cli
