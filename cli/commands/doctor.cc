#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/terminal/table.h"
#include "runtime/storage/file_system.h"
#include "worker/job_examination.h"

namespace dime::cli {
namespace {

using Json = nlohmann::ordered_json;
using worker::Condition;
using worker::Finding;
using worker::JobExamination;

constexpr char kDoctor[] = "dime doctor";

// What a job does that is started here, or that runs.
std::string DescribeResumption(const JobExamination& job) {
  if (!job.obstacle.empty()) return "no job can go on here: " + job.obstacle;
  if (!job.resume_step) return "there is no checkpoint yet: a job starts at step 0";
  return fmt::format("a job goes on from step {}", *job.resume_step);
}

std::vector<std::string> DamagedNames(const JobExamination& job) {
  std::vector<std::string> names;
  for (const Finding& finding : job.findings) {
    if (finding.condition == Condition::kDamaged) names.push_back(finding.name);
  }
  return names;
}

std::string FormatVerdict(const JobExamination& job) {
  const std::string running = job.is_running ? "; one is running" : "";
  if (job.is_sound()) return fmt::format("sound: {}{}\n", DescribeResumption(job), running);
  const std::vector<std::string> damaged = DamagedNames(job);
  return fmt::format("DAMAGED{}: {}{}\n",
                     damaged.empty() ? "" : fmt::format(" ({})", fmt::join(damaged, ", ")),
                     DescribeResumption(job), running);
}

std::string FormatReport(const JobExamination& job) {
  std::vector<TableRow> rows = {{"WHAT", "CONDITION", "DETAIL"}};
  for (const auto& [name, condition, detail] : job.findings) {
    rows.push_back({name, std::string(NameOf(condition)), detail});
  }
  return (job.findings.empty() ? "" : FormatTable(rows) + "\n") + FormatVerdict(job);
}

std::string FormatReportJson(const JobExamination& job) {
  Json findings = Json::array();
  for (const auto& [name, condition, detail] : job.findings) {
    findings.push_back({{"name", name}, {"condition", NameOf(condition)}, {"detail", detail}});
  }
  const Json report = {{"sound", job.is_sound()},
                       {"running", job.is_running},
                       {"resume_step", job.resume_step ? Json(*job.resume_step) : Json(nullptr)},
                       {"obstacle", job.obstacle},
                       {"findings", findings}};
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<JobExamination> Examine(const std::string& job_dir) {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(job_dir));
  return worker::ExamineJob(*fs, job_dir);
}

}  // namespace

int RunDoctor(Words args) {
  std::optional<std::string> job_dir;
  std::string format = "text";
  CLI::App app(
      "Says whether a job directory is sound, and from which step a job goes on in it. Reads all "
      "that is there, with all checksums, and changes nothing; a job may run meanwhile. Exit code "
      "0: sound; 65: something is damaged, and what.",
      kDoctor);
  app.add_option("JOB_DIR", job_dir, "The directory that --job-dir of training names")
      ->group("Arguments");
  app.add_option("--format", format, "Print a table (text), or one JSON object [text]")
      ->transform(OneOf({"text", "json"}))
      ->type_name("FORMAT")
      ->group("Options");
  if (const std::optional<int> exit_code = ParseOrExit(args, app)) return *exit_code;
  if (!job_dir) return ReportUsageError(kDoctor, "JOB_DIR is required");
  const absl::StatusOr<JobExamination> job = Examine(*job_dir);
  if (!job.ok()) return ReportError(kDoctor, job.status());
  fmt::print("{}", format == "json" ? FormatReportJson(*job) : FormatReport(*job));
  return job->is_sound() ? kExitOk : kExitData;
}

}  // namespace dime::cli
