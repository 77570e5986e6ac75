#include <absl/strings/escaping.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/gcloud_flags.h"
#include "cli/interruption.h"
#include "cli/model_library.h"
#include "cli/trainer_flags.h"
#include "cli/training_reporter.h"
#include "runtime/base/log.h"
#include "runtime/base/suggest.h"
#include "runtime/storage/file_system.h"
#include "worker/training_job.h"

namespace dime::cli {
namespace {

constexpr char kName[] = "dime local train";
constexpr char kTrainerModule[] = "trainer.task";

// What stands before the `--`.
struct OwnFlags {
  std::optional<std::string> job_dir;
  std::optional<std::string> package_path;
  std::optional<std::string> module_name;
  std::string model = "census";
  std::optional<std::string> runtime_version;
  std::optional<std::string> scale_tier;
  std::optional<std::int64_t> seed;
  std::int64_t threads = 0;
  std::optional<std::string> order;
  std::int64_t max_bad_records = 0;
  std::optional<std::uint64_t> input_memory;
  std::int64_t max_checkpoints = 5;
  std::int64_t checkpoint_secs = 600;
  std::int64_t checkpoint_steps = 0;
  std::int64_t summary_steps = 100;
  std::optional<std::string> export_name;
  std::string format = "text";
  GcloudFlags gcloud;
  std::vector<std::string> ignored_options;  // Those without effect that were given.
  // Of gcloud's, for clusters.
  bool distributed = false;
  std::optional<std::string> worker_count;
  std::optional<std::string> parameter_server_count;
  std::optional<std::string> start_port;
};

// Everything the command line says.
struct Request {
  OwnFlags own;
  TrainerFlags trainer;
  std::string job_dir;
};

void DeclareJobFlags(CLI::App& app, OwnFlags* flags) {
  const char* const group = "Options";
  app.add_option("--job-dir", flags->job_dir,
                 "Where checkpoints, events and exports go; a job that is there goes on. Required")
      ->type_name("DIR")
      ->group(group);
  app.add_option("--model", flags->model,
                 "A name of `dime models list`, or a description of your own, FILE.yaml [census]")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--seed", flags->seed,
                 "Decides initial weights and the order of the data [the job's own; 1 if new]")
      ->transform(WholeNumber(0, std::numeric_limits<std::int64_t>::max()))
      ->type_name("N")
      ->group(group);
  app.add_option("--threads", flags->threads, "Threads to use [one a processor]")
      ->transform(WholeNumber(1, 4096))
      ->type_name("N")
      ->group(group);
  app.add_option("--order", flags->order,
                 "Order of the training data: shuffled anew each epoch, or as-read [the job's own; "
                 "shuffled if "
                 "new]")
      ->transform(OneOf({"shuffled", "as-read"}))
      ->type_name("ORDER")
      ->group(group);
  app.add_option(
         "--max-bad-records", flags->max_bad_records,
         "Records that may be left out because they cannot be read: so many of the training data, "
         "and so many of the evaluation data [0]")
      ->transform(WholeNumber(0, std::numeric_limits<std::int64_t>::max()))
      ->type_name("N")
      ->group(group);
}

void DeclareInputMemoryFlag(CLI::App& app, OwnFlags* flags) {
  constexpr std::uint64_t kLeast = 64 << 10;
  app.add_option(
         "--input-memory", flags->input_memory,
         "Memory that the training examples may take, such as 512MiB or 4GiB, and a quarter of "
         "it for those of the evaluation; beyond it they go to a scratch file in the job "
         "directory, and are shuffled in windows of half that size [the job's own; 1GiB if new]")
      ->transform(MemorySize(kLeast))
      ->type_name("SIZE")
      ->group("Options");
}

void DeclareOutputFlags(CLI::App& app, OwnFlags* flags) {
  const char* const group = "Options";
  app.add_option("--max-checkpoints", flags->max_checkpoints, "Checkpoints to keep [5]")
      ->transform(WholeNumber(1, 1'000'000))
      ->type_name("N")
      ->group(group);
  app.add_option("--checkpoint-secs", flags->checkpoint_secs, "Seconds between checkpoints [600]")
      ->transform(WholeNumber(1, 365 * 24 * 3600))
      ->type_name("N")
      ->group(group);
  app.add_option("--checkpoint-steps", flags->checkpoint_steps,
                 "Checkpoint after every so many steps, too [no]")
      ->transform(WholeNumber(1, std::int64_t{1} << 53))
      ->type_name("N")
      ->group(group);
  app.add_option("--summary-steps", flags->summary_steps, "Steps between summaries in events [100]")
      ->transform(WholeNumber(1, std::int64_t{1} << 53))
      ->type_name("N")
      ->group(group);
  app.add_option("--export-name", flags->export_name,
                 "Export to JOB_DIR/export/NAME/; an empty name means no export [census]")
      ->type_name("NAME")
      ->group(group);
  app.add_option("--format", flags->format,
                 "Results on stdout as text, or as one JSON object [text]")
      ->transform(OneOf({"text", "json"}))
      ->type_name("FORMAT")
      ->group(group);
}

void DeclareJobFlagsOfGcloud(CLI::App& app, OwnFlags* flags) {
  const char* const group = "Options that gcloud has";
  app.add_option("--module-name", flags->module_name, "trainer.task, the census sample's trainer")
      ->type_name("MODULE")
      ->group(group);
  app.add_option("--package-path", flags->package_path,
                 "Its folder, such as trainer/; need not exist, as no Python is run")
      ->type_name("DIR")
      ->group(group);
  app.add_option("--runtime-version", flags->runtime_version,
                 "Up to 1.3, exports go to export/Servo and evaluations to eval_one_pass, as in "
                 "2017; above, and by default, to export/census and eval_census-eval")
      ->type_name("X.Y")
      ->group(group);
  app.add_option("--scale-tier", flags->scale_tier, "BASIC, one process, is what there is today")
      ->type_name("TIER")
      ->group(group);
  app.add_flag("--distributed", flags->distributed)->group("");
  app.add_option("--worker-count", flags->worker_count)->group("");
  app.add_option("--parameter-server-count", flags->parameter_server_count)->group("");
  app.add_option("--start-port", flags->start_port)->group("");
}

std::string FormatTrainHelp(const CLI::App& own) {
  return fmt::format(
      "Trains a model in this process, on all cores: reads the files, trains, writes\n"
      "TensorFlow's checkpoints and TensorBoard's events, evaluates, exports a\n"
      "SavedModel. Ctrl-C checkpoints first; the same command again goes on.\n\n"
      "Usage: {} [OPTIONS] -- --train-files FILE ... [TRAINER OPTIONS]\n{}{}\n"
      "Example:\n"
      "  dime data census --output data\n"
      "  dime local train --job-dir output/census_1 -- \\\n"
      "      --train-files data/adult.data.csv --eval-files data/adult.test.csv \\\n"
      "      --train-steps 1000 --eval-steps 100\n",
      kName, FormatOptions(own), FormatTrainerFlags());
}

// "1.2" and such: {major, minor}.
absl::StatusOr<std::pair<int, int>> ParseRuntimeVersion(std::string_view version) {
  int major = 0;
  int minor = 0;
  const char* const last = version.data() + version.size();
  const auto [dot, major_error] = std::from_chars(version.data(), last, major);
  if (major_error == std::errc() && dot != last && *dot == '.' && major >= 0) {
    const auto [end, minor_error] = std::from_chars(dot + 1, last, minor);
    if (minor_error == std::errc() && end == last && minor >= 0) return std::pair(major, minor);
  }
  return base::InvalidArgument("--runtime-version: '{}' is no version such as 1.2", version);
}

// "STANDARD_1" for "standard-1", as gcloud writes it.
std::string AsTierName(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == '-') c = '_';
  }
  return text;
}

absl::Status CheckCluster(const OwnFlags& own) {
  const std::vector<std::string> tiers = {"BASIC",     "STANDARD_1", "PREMIUM_1",
                                          "BASIC_GPU", "BASIC_TPU",  "CUSTOM"};
  const std::string tier = own.scale_tier ? AsTierName(*own.scale_tier) : tiers.front();
  if (std::ranges::find(tiers, tier) == tiers.end()) {
    return base::InvalidArgument("--scale-tier: '{}' is none of {}{}", *own.scale_tier,
                                 fmt::join(tiers, ", "), base::DidYouMean(tier, tiers));
  }
  const bool is_basic = tier == tiers.front();
  if (is_basic && !own.distributed && !own.worker_count && !own.parameter_server_count &&
      !own.start_port) {
    return absl::OkStatus();
  }
  return base::InvalidArgument(
      "{} needs several replicas, which are not built yet; today dime trains on the tier BASIC, "
      "one process on all cores: leave out --scale-tier, --distributed and what belongs to them",
      is_basic ? "distributed training" : "the scale tier " + tier);
}

absl::Status CheckTrainer(const OwnFlags& own) {
  if (own.module_name && *own.module_name != kTrainerModule) {
    return base::InvalidArgument(
        "--module-name: dime runs no Python; it knows {}, the census sample's trainer, and models "
        "that are described in YAML (--model FILE.yaml), but not '{}'",
        kTrainerModule, *own.module_name);
  }
  if (!own.package_path) return absl::OkStatus();
  std::string_view path = *own.package_path;
  while (path.ends_with('/')) path.remove_suffix(1);
  if (storage::BaseName(path) == "trainer") return absl::OkStatus();
  return base::InvalidArgument(
      "--package-path: dime runs no Python; it knows the census sample's package, trainer/, but "
      "not '{}'; describe a model of your own in YAML (--model FILE.yaml)",
      *own.package_path);
}

std::string WithoutTrailingSlashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

absl::Status SetJobDir(Request* request) {
  const std::optional<std::string>& before = request->own.job_dir;
  const std::optional<std::string>& after = request->trainer.job_dir;
  if (before && after && WithoutTrailingSlashes(*before) != WithoutTrailingSlashes(*after)) {
    return base::InvalidArgument(
        "--job-dir is '{}' before the `--` and '{}' after it; give it once", *before, *after);
  }
  request->job_dir = WithoutTrailingSlashes(before ? *before : after.value_or(""));
  if (!request->job_dir.empty()) return absl::OkStatus();
  return base::InvalidArgument(
      "--job-dir is required: the directory for checkpoints, events and exports, such as "
      "--job-dir output/census_1");
}

// The name becomes a directory's, and is to be seen there.
absl::Status CheckExportName(std::string_view name) {
  constexpr std::size_t kMaxBytes = 255;
  constexpr auto is_bad = [](char c) { return c == '/' || (c >= '\0' && c < ' ') || c == '\x7f'; };
  if (!name.starts_with('.') && name.size() <= kMaxBytes && std::ranges::none_of(name, is_bad)) {
    return absl::OkStatus();
  }
  return base::InvalidArgument(
      "--export-name: '{}' is no name for a directory in export/: up to {} bytes are expected, "
      "without / and control characters, and no . at the front",
      absl::CHexEscape(absl::string_view(name.data(), name.size())), kMaxBytes);
}

absl::Status CheckRequest(Request* request) {
  DIME_RETURN_IF_ERROR(CheckCluster(request->own));
  DIME_RETURN_IF_ERROR(CheckTrainer(request->own));
  if (request->own.runtime_version) {
    DIME_RETURN_IF_ERROR(ParseRuntimeVersion(*request->own.runtime_version).status());
  }
  DIME_RETURN_IF_ERROR(CheckModelName(request->own.model));
  DIME_RETURN_IF_ERROR(CheckExportName(request->own.export_name.value_or("")));
  DIME_RETURN_IF_ERROR(SetJobDir(request));
  DIME_RETURN_IF_ERROR(HiddenUnits(request->trainer).status());
  if (!request->trainer.train_files.empty()) return absl::OkStatus();
  return base::InvalidArgument(
      "--train-files is required, after the `--`; `dime data census --output data` fetches the "
      "census data: -- --train-files data/adult.data.csv --eval-files data/adult.test.csv");
}

// Adds where an option belongs when it stands on the wrong side of the `--`.
absl::Status ExplainSide(const absl::Status& error, Words words,
                         const std::function<bool(const std::string&)>& belongs_there,
                         std::string_view side) {
  for (const std::string& word : words) {
    const std::string name = word.substr(0, word.find('='));
    const std::string unknown = fmt::format("unknown option '{}'", name);
    if (!base::MessageOf(error).starts_with(unknown) || !belongs_there(name)) continue;
    return base::InvalidArgument("{} here: it stands {} the `--`", unknown, side);
  }
  return error;
}

// Nothing when help was wanted, and has been printed.
absl::StatusOr<std::optional<Request>> ReadRequest(Words args) {
  Request request;
  CLI::App own("", kName);
  DeclareJobFlags(own, &request.own);
  DeclareInputMemoryFlag(own, &request.own);
  DeclareOutputFlags(own, &request.own);
  DeclareJobFlagsOfGcloud(own, &request.own);
  DeclareGcloudFlags(own, &request.own.gcloud);
  const auto split = static_cast<std::size_t>(std::ranges::find(args, "--") - args.begin());
  const Words before = args.first(split);
  const Words after = args.subspan(std::min(split + 1, args.size()));
  const absl::StatusOr<Parsed> own_parsed = ParseArguments(before, own);
  if (!own_parsed.ok()) return ExplainSide(own_parsed.status(), before, IsTrainerFlag, "after");
  const absl::StatusOr<Parsed> trainer_parsed = ParseTrainerFlags(after, &request.trainer);
  if (*own_parsed == Parsed::kHelpWanted ||
      (trainer_parsed.ok() && *trainer_parsed == Parsed::kHelpWanted)) {
    fmt::print("{}", FormatTrainHelp(own));
    return std::nullopt;
  }
  if (!trainer_parsed.ok()) {
    const auto is_own = [&](const std::string& name) {
      return own.get_option_no_throw(name) != nullptr;
    };
    return ExplainSide(trainer_parsed.status(), after, is_own, "before");
  }
  DIME_RETURN_IF_ERROR(CheckRequest(&request));
  request.own.ignored_options = GivenIgnoredOptions(own);
  return request;
}

absl::Status ApplyModelFlags(const TrainerFlags& trainer, models::ModelDescription* description) {
  DIME_ASSIGN_OR_RETURN(std::vector<std::int64_t> hidden_units, HiddenUnits(trainer));
  return models::ApplyOverrides({.embedding_dim = trainer.embedding_size.value_or(0),
                                 .hidden_units = std::move(hidden_units)},
                                description);
}

void SetNames(const OwnFlags& own, const models::TrainingDefaults& defaults,
              worker::TrainingOptions* options) {
  options->export_name = defaults.export_name;
  options->eval_name = defaults.eval_name;
  if (own.runtime_version) {
    constexpr std::pair kLastOfThe2017Names(1, 3);
    const auto version = ParseRuntimeVersion(*own.runtime_version);
    if (version.ok() && *version <= kLastOfThe2017Names) {
      options->export_name = "Servo";
      options->eval_name = "one_pass";
    }
  }
  if (own.export_name) options->export_name = *own.export_name;
}

absl::StatusOr<worker::TrainingOptions> MakeOptions(const Request& request,
                                                    const models::TrainingDefaults& defaults) {
  const auto& [own, trainer, job_dir] = request;
  worker::TrainingOptions options;
  options.job_dir = job_dir;
  options.train_files = trainer.train_files;
  options.eval_files = trainer.eval_files;
  options.train_steps = trainer.train_steps.value_or(0);
  options.num_epochs = trainer.num_epochs.value_or(0);
  if (!trainer.train_steps && !trainer.num_epochs) {
    options.train_steps = defaults.train_steps;
    base::Log(base::Severity::kInfo,
              "neither --train-steps nor --num-epochs is given: training ends at step {}, the "
              "model's default",
              options.train_steps);
  }
  options.train_batch_size = trainer.train_batch_size.value_or(defaults.train_batch_size);
  options.eval_batch_size = trainer.eval_batch_size.value_or(defaults.eval_batch_size);
  options.eval_steps = trainer.eval_steps.value_or(defaults.eval_steps);
  options.eval_delay = std::chrono::seconds(trainer.eval_delay_secs.value_or(0));
  options.eval_min_steps = trainer.min_eval_frequency.value_or(0);
  options.max_bad_records = own.max_bad_records;
  options.input_memory = own.input_memory;
  if (own.seed) options.seed = static_cast<std::uint64_t>(*own.seed);
  if (own.order) {
    options.order = *own.order == "as-read" ? worker::Order::kAsRead : worker::Order::kShuffled;
  }
  options.num_threads = static_cast<int>(own.threads);
  options.checkpoint_interval = std::chrono::seconds(own.checkpoint_secs);
  options.checkpoint_steps = own.checkpoint_steps;
  options.summary_steps = own.summary_steps;
  options.max_checkpoints = static_cast<int>(own.max_checkpoints);
  SetNames(own, defaults, &options);
  DIME_ASSIGN_OR_RETURN(options.export_format, models::ParseExportFormat(trainer.export_format));
  return options;
}

// The trainer's word counts before gcloud's.
base::Severity LeastSeverity(const Request& request) {
  const std::optional<std::string>& own = request.own.gcloud.verbosity;
  return SeverityOfVerbosity(request.trainer.verbosity.value_or(own.value_or("INFO")));
}

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

int Train(const Request& request) {
  absl::StatusOr<models::ModelDescription> description = FindModel(request.own.model);
  if (!description.ok()) return ReportError(kName, description.status());
  if (const absl::Status fits = ApplyModelFlags(request.trainer, &*description); !fits.ok()) {
    return ReportUsageError(kName, base::MessageOf(fits));
  }
  const absl::StatusOr<worker::TrainingOptions> options =
      MakeOptions(request, description->training);
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

  Interruption interruption("stopping after a checkpoint; once more stops at once");
  std::unique_ptr<StatusLine> status_line;
  if (base::ShouldLog(base::Severity::kInfo)) status_line = MakeStatusLine();
  TrainingReporter reporter(std::move(status_line), {.evaluates = !options->eval_files.empty(),
                                                     .exports = !options->export_name.empty()});
  const absl::StatusOr<worker::TrainingResult> result =
      worker::RunTrainingJob(*description, *options, reporter, interruption.token());
  if (!result.ok()) {
    reporter.Stop();
    ReportError(kName, result.status());
    return ExitCodeOfJob(result.status());
  }
  reporter.Finish(*result);
  if (request.own.format == "json") {
    fmt::print("{}", FormatResultJson(*result, options->job_dir));
  } else if (!result->interrupted) {
    fmt::print("{}", FormatResult(*result, options->job_dir));
  }
  return result->interrupted ? interruption.exit_code() : kExitOk;
}

}  // namespace

int RunLocalTrain(Words args) {
  const absl::StatusOr<std::optional<Request>> request = ReadRequest(args);
  if (!request.ok()) return ReportUsageError(kName, base::MessageOf(request.status()));
  if (!request->has_value()) return kExitOk;
  base::SetMinLogSeverity(LeastSeverity(**request));
  NoteIgnoredOptions((*request)->own.ignored_options);
  return Train(**request);
}

}  // namespace dime::cli
