#include "cli/training_request.h"

#include <absl/strings/escaping.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <functional>
#include <limits>
#include <utility>

#include "cli/model_library.h"
#include "runtime/storage/file_system.h"

namespace dime::cli {
namespace {

constexpr char kTrainerModule[] = "trainer.task";

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
  app.add_option("--max-checkpoints", flags->max_checkpoints,
                 "Checkpoints to keep, and those that they build on [5]")
      ->transform(WholeNumber(1, 1'000'000))
      ->type_name("N")
      ->group(group);
  app.add_option("--full-checkpoint-every", flags->full_checkpoint_every,
                 "Of so many checkpoints on the way one has all rows of unbounded tables, the "
                 "others those that changed since the one before; 1: all have all [10]")
      ->transform(WholeNumber(1, 1000))
      ->type_name("N")
      ->group(group);
  app.add_option("--max-failed-saves", flags->max_failed_saves,
                 "Checkpoints in a row that could not be written before the job ends; 0: it trains "
                 "on [3]")
      ->transform(WholeNumber(0, 1'000'000))
      ->type_name("N")
      ->group(group);
  app.add_flag(
         "--strict", flags->strict,
         "End where the newest checkpoint is damaged, instead of going on from the one before")
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

void DeclareMetricsFlags(CLI::App& app, OwnFlags* flags) {
  const char* const group = "Options";
  app.add_option(
         "--metrics-port", flags->metrics_port,
         "Serve the job's numbers for Prometheus, at http://ADDRESS:PORT/metrics; 0: a free "
         "port, which the log names [no]")
      ->transform(WholeNumber(0, 65535))
      ->type_name("PORT")
      ->group(group);
  app.add_option("--metrics-address", flags->metrics_address,
                 "The IP address of this host where they are served; whoever reaches it may read "
                 "them [127.0.0.1]")
      ->type_name("ADDRESS")
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
}

void DeclareClusterOfJob(CLI::App& app, OwnFlags* flags) {
  const char* const group = "Options of the cluster";
  cluster::TrainingFlags& training = flags->cluster.training;
  app.add_option("--scale-tier", training.scale_tier,
                 "The shape of the cluster: one of `dime tiers list`, or CUSTOM [BASIC, one "
                 "process]")
      ->type_name("TIER")
      ->group(group);
  DeclareClusterFlags(app, &flags->cluster);
  app.add_flag("--distributed", flags->distributed,
               "A cluster without machine types, as gcloud has it: --worker-count workers [2] and "
               "--parameter-server-count servers [2] beside the master")
      ->group(group);
  app.add_option("--start-port", flags->start_port,
                 "Without effect: processes of one host speak over Unix sockets")
      ->transform(WholeNumber(1, 65535))
      ->type_name("PORT")
      ->group(kIgnoredGroup);
  app.add_option("--consistency", training.consistency,
                 "async, bounded:K (nobody K steps ahead of the slowest) or sync (steps in common, "
                 "the same bytes on any cluster) [async with parameter servers]")
      ->type_name("MODE")
      ->group(group);
  app.add_option("--micro-batches", training.micro_batches,
                 "Batches that make up a step in sync [one a training replica]")
      ->transform(WholeNumber(1, cluster::kMaxReplicas))
      ->type_name("M")
      ->group(group);
}

void DeclareExchangeFlags(CLI::App& app, OwnFlags* flags) {
  app.add_option("--wire-precision", flags->cluster.training.wire_precision,
                 "Of gradients and rows on their way between replicas and servers: float32, or "
                 "bfloat16 or float16, with half the bytes and other results [float32]")
      ->type_name("TYPE")
      ->group("Options of the cluster");
  app.add_option("--dense", flags->cluster.training.dense,
                 "Where dense variables are: on the servers, or, allreduce, in each training "
                 "replica; those sum their gradients, by MPI under mpirun. Takes --consistency "
                 "sync, and gives the same bytes [servers]")
      ->type_name("WHERE")
      ->group("Options of the cluster");
  app.add_flag("--pull-ahead", flags->cluster.training.pull_ahead,
               "Pull the next step's rows while a step is computed: faster, and its gradients are "
               "of rows one update older. In async and bounded")
      ->group("Options of the cluster");
}

void DeclareRendezvousFlags(CLI::App& app, OwnFlags* flags) {
  const char* const group = "Options of finding each other";
  app.add_option(
         "--token-file", flags->token_file,
         "The job's secret, which all replicas have to know, in a file that its owner alone "
         "may read; by default the master makes one, JOB_DIR/dime/token, for the others to "
         "read")
      ->type_name("FILE")
      ->group(group);
  app.add_option_function<std::string>(
         "--transport-security",
         [flags](const std::string& text) {
           flags->transport_security = *net::ParseTransportSecurity(text);
         },
         "What is encrypted, by TLS 1.3 with a key made of that secret: auto, what replicas on "
         "different hosts say; tls, all but Unix sockets; insecure, nothing. Of two ends that "
         "differ the stricter one decides. What MPI carries is MPI's [auto]")
      ->transform(OneOf({"auto", "tls", "insecure"}))
      ->type_name("MODE")
      ->group(group);
  app.add_option("--master-address", flags->master_address,
                 "Under mpirun or srun on several hosts: where the master listens, HOST or "
                 "HOST:PORT; given to all of them with a port, it stands for the page that the "
                 "master leaves in JOB_DIR/dime [its host's first address]")
      ->type_name("ADDRESS")
      ->group(group);
  app.add_option("--join-secs", flags->join_secs,
                 "How long replicas wait for each other before the job ends, and those are named "
                 "that are missing [120]")
      ->transform(WholeNumber(1, 24 * 3600))
      ->type_name("N")
      ->group(group);
}

void DeclareEvaluatorFlag(CLI::App& app, OwnFlags* flags) {
  app.add_option("--checkpoint-wait-secs", flags->checkpoint_wait_secs,
                 "How long an evaluator waits for the next checkpoint before it ends, and says for "
                 "which one it has waited [twice --checkpoint-secs, and 600]")
      ->transform(WholeNumber(1, 365 * 24 * 3600))
      ->type_name("N")
      ->group("Options of the cluster");
}

void DeclareRestartFlag(CLI::App& app, OwnFlags* flags) {
  app.add_option("--max-restarts", flags->max_restarts,
                 "How often `dime local train` starts a job of several processes again, from its "
                 "last checkpoint, when the master or a parameter server has died or hangs [3]")
      ->transform(WholeNumber(0, 1000))
      ->type_name("N")
      ->group("Options of the cluster");
}

constexpr std::string_view kTrainHelp =
    "Trains a model on this host, in one process on all cores or as a cluster of\n"
    "processes: reads the files, trains, writes TensorFlow's checkpoints and\n"
    "TensorBoard's events, evaluates, exports a SavedModel. Ctrl-C checkpoints first;\n"
    "the same command again goes on.\n";
constexpr std::string_view kTrainExample =
    "  dime data census --output data\n"
    "  dime local train --job-dir output/census_1 -- \\\n"
    "      --train-files data/adult.data.csv --eval-files data/adult.test.csv \\\n"
    "      --train-steps 1000 --eval-steps 100\n";
constexpr std::string_view kReplicaHelp =
    "Runs one process of a job, on this host or one of several. All replicas are started\n"
    "with the same words; the environment tells each who it is:\n"
    "  mpirun, srun  its rank: 0 is the master, then come the workers, then the servers\n"
    "  TF_CONFIG     its task, and where all listen; the counts in it decide the cluster.\n"
    "                A `master` evaluates and exports; a `chief` leaves that to the task\n"
    "                `evaluator`, which watches the job directory for checkpoints\n"
    "They start in any order. The master runs the job as `dime local train` does; the\n"
    "others say warnings and errors only. The job directory and the data have to be\n"
    "there, by the same names, on all hosts.\n";
constexpr std::string_view kReplicaExample =
    "  mpirun -np 8 --hostfile hosts --bind-to none \\\n"
    "      dime replica --scale-tier STANDARD_1 --job-dir /shared/census_1 -- \\\n"
    "      --train-files /shared/adult.data.csv --eval-files /shared/adult.test.csv\n";

std::string FormatTrainHelp(const char* name, const CLI::App& own, TrainingCommand command) {
  const bool is_replica = command == TrainingCommand::kReplica;
  return fmt::format(
      "{}\nUsage: {} [OPTIONS] -- --train-files FILE ... [TRAINER OPTIONS]\n{}{}\n"
      "Example:\n{}",
      is_replica ? kReplicaHelp : kTrainHelp, name, FormatOptions(own), FormatTrainerFlags(),
      is_replica ? kReplicaExample : kTrainExample);
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

absl::Status SetJobDir(TrainingRequest* request) {
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

absl::Status CheckRequest(TrainingRequest* request) {
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

}  // namespace

absl::StatusOr<std::optional<TrainingRequest>> ReadTrainingRequest(const char* name, Words args,
                                                                   TrainingCommand command) {
  TrainingRequest request;
  CLI::App own("", name);
  DeclareJobFlags(own, &request.own);
  DeclareInputMemoryFlag(own, &request.own);
  DeclareOutputFlags(own, &request.own);
  DeclareMetricsFlags(own, &request.own);
  DeclareJobFlagsOfGcloud(own, &request.own);
  DeclareClusterOfJob(own, &request.own);
  DeclareExchangeFlags(own, &request.own);
  DeclareEvaluatorFlag(own, &request.own);
  DeclareRestartFlag(own, &request.own);
  if (command == TrainingCommand::kReplica) DeclareRendezvousFlags(own, &request.own);
  DeclareGcloudFlags(own, &request.own.gcloud);
  const auto split = static_cast<std::size_t>(std::ranges::find(args, "--") - args.begin());
  const Words before = args.first(split);
  const Words after = args.subspan(std::min(split + 1, args.size()));
  const absl::StatusOr<Parsed> own_parsed = ParseArguments(before, own);
  if (!own_parsed.ok()) return ExplainSide(own_parsed.status(), before, IsTrainerFlag, "after");
  const absl::StatusOr<Parsed> trainer_parsed = ParseTrainerFlags(after, &request.trainer);
  if (*own_parsed == Parsed::kHelpWanted ||
      (trainer_parsed.ok() && *trainer_parsed == Parsed::kHelpWanted)) {
    fmt::print("{}", FormatTrainHelp(name, own, command));
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

namespace {

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

}  // namespace

absl::StatusOr<worker::TrainingOptions> OptionsOf(const TrainingRequest& request,
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
  if (own.metrics_port) {
    options.metrics = net::Address{.host = own.metrics_address,
                                   .port = static_cast<std::uint16_t>(*own.metrics_port)};
  }
  options.checkpoint_interval = std::chrono::seconds(own.checkpoint_secs);
  options.checkpoint_steps = own.checkpoint_steps;
  options.summary_steps = own.summary_steps;
  options.max_failed_saves = own.max_failed_saves;
  options.strict = own.strict;
  options.max_checkpoints = static_cast<int>(own.max_checkpoints);
  options.full_checkpoint_every = static_cast<int>(own.full_checkpoint_every);
  SetNames(own, defaults, &options);
  DIME_ASSIGN_OR_RETURN(options.export_format, models::ParseExportFormat(trainer.export_format));
  return options;
}

// The trainer's word counts before gcloud's.
base::Severity LeastSeverity(const TrainingRequest& request) {
  const std::optional<std::string>& own = request.own.gcloud.verbosity;
  return SeverityOfVerbosity(request.trainer.verbosity.value_or(own.value_or("INFO")));
}

}  // namespace dime::cli
