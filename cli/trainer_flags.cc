#include "cli/trainer_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>

#include "models/description.h"

namespace dime::cli {
namespace {

constexpr std::int64_t kMaxCount = std::int64_t{1} << 53;  // Steps and epochs.
constexpr std::int64_t kMaxBatchSize = 1 << 20;
constexpr std::int64_t kMaxUnits = 1 << 16;
constexpr auto kMaxLayers = static_cast<std::int64_t>(models::kMaxHiddenLayers);
constexpr std::int64_t kMaxSeconds = 365 * 24 * 3600;

void DeclareInput(CLI::App& app, TrainerFlags* flags) {
  const char* const group = "Trainer options: data";
  app.add_option("--train-files", flags->train_files,
                 "Files to train on: paths, or patterns such as 'data/part-*'; CSV, or TFRecord of "
                 "tf.Examples, compressed by gzip or not. Required")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--eval-files", flags->eval_files,
                 "Files to evaluate on, likewise [no evaluation]")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--job-dir", flags->job_dir, "The same as --job-dir before the `--`")
      ->type_name("DIR")
      ->group(group);
}

void DeclareTraining(CLI::App& app, TrainerFlags* flags) {
  const char* const group = "Trainer options: training and evaluation";
  const auto add = [&](const char* name, std::optional<std::int64_t>* value, std::int64_t least,
                       std::int64_t most, const char* help) {
    app.add_option(name, *value, help)
        ->transform(WholeNumber(least, most))
        ->type_name("N")
        ->group(group);
  };
  add("--train-steps", &flags->train_steps, 1, kMaxCount,
      "Stop at this global step; a job that was stopped before goes on to it [the model's, 100, "
      "unless --num-epochs is given]");
  add("--num-epochs", &flags->num_epochs, 1, kMaxCount,
      "Stop after so many passes over the training data");
  add("--train-batch-size", &flags->train_batch_size, 1, kMaxBatchSize, "Examples a step [40]");
  add("--eval-steps", &flags->eval_steps, 0, kMaxCount,
      "Batches an evaluation takes; 0 is the whole set [100]");
  add("--eval-batch-size", &flags->eval_batch_size, 1, kMaxBatchSize,
      "Examples an evaluation batch [40]");
  add("--eval-delay-secs", &flags->eval_delay_secs, 0, kMaxSeconds,
      "No evaluation before so many seconds, but for the last one");
  add("--min-eval-frequency", &flags->min_eval_frequency, 0, kMaxCount,
      "Steps between evaluations, at least");
}

void DeclareModel(CLI::App& app, TrainerFlags* flags) {
  const char* const group = "Trainer options: the model";
  const auto add = [&](const char* name, std::optional<std::int64_t>* value, std::int64_t most,
                       const char* help) {
    app.add_option(name, *value, help)
        ->transform(WholeNumber(1, most))
        ->type_name("N")
        ->group(group);
  };
  add("--embedding-size", &flags->embedding_size, kMaxUnits,
      "Dimension of the embeddings [the model's, 8]");
  add("--first-layer-size", &flags->first_layer_size, kMaxUnits,
      "Units of the first hidden layer [100]");
  add("--num-layers", &flags->num_layers, kMaxLayers, "Number of hidden layers [4]");
  app.add_option("--scale-factor", flags->scale_factor,
                 "How much smaller each layer is than the one before; the three make layers of "
                 "100, 70, 48 and 34 units [0.7]")
      ->transform(Number(0, 100))
      ->type_name("X")
      ->group(group);
}

void DeclareOutput(CLI::App& app, TrainerFlags* flags) {
  const char* const group = "Trainer options: output";
  app.add_option("--export-format", flags->export_format,
                 "What the exported model takes: JSON, CSV or EXAMPLE [JSON]")
      ->transform(OneOf({"JSON", "CSV", "EXAMPLE"}))
      ->type_name("FORMAT")
      ->group(group);
  app.add_option("--verbosity", flags->verbosity,
                 "Log from this severity on: DEBUG, INFO, WARN, ERROR or FATAL [INFO]")
      ->transform(OneOf({"DEBUG", "INFO", "WARN", "ERROR", "FATAL"}))
      ->type_name("LEVEL")
      ->group(group);
  app.add_option("--num-parallel-calls", flags->num_parallel_calls,
                 "Accepted, without effect: files are read by all threads")
      ->transform(WholeNumber(1, kMaxCount))
      ->type_name("N")
      ->group(group);
  app.add_option("--prefetch-buffer-size,--prefetch_buffer_size", flags->prefetch_buffer_size,
                 "Accepted, without effect: dime reads ahead by itself")
      ->transform(WholeNumber(0, kMaxCount))
      ->type_name("N")
      ->group(group);
}

void DeclareFlags(CLI::App& app, TrainerFlags* flags) {
  app.get_help_ptr()->group("");  // The page that the flags are a part of has it.
  DeclareInput(app, flags);
  DeclareTraining(app, flags);
  DeclareModel(app, flags);
  DeclareOutput(app, flags);
}

}  // namespace

absl::StatusOr<Parsed> ParseTrainerFlags(std::span<const std::string> words, TrainerFlags* flags) {
  CLI::App app;
  DeclareFlags(app, flags);
  return ParseArguments(words, app);
}

std::string FormatTrainerFlags() {
  CLI::App app;
  TrainerFlags flags;
  DeclareFlags(app, &flags);
  return FormatOptions(app);
}

bool IsTrainerFlag(const std::string& name) {
  CLI::App app;
  TrainerFlags flags;
  DeclareFlags(app, &flags);
  return app.get_option_no_throw(name) != nullptr;
}

absl::StatusOr<std::vector<std::int64_t>> HiddenUnits(const TrainerFlags& flags) {
  std::vector<std::int64_t> units;
  if (!flags.first_layer_size && !flags.num_layers && !flags.scale_factor) return units;
  const auto first = static_cast<double>(flags.first_layer_size.value_or(100));
  const double scale = flags.scale_factor.value_or(0.7);
  const std::int64_t num_layers = flags.num_layers.value_or(4);
  for (std::int64_t i = 0; i < num_layers; ++i) {
    // Python's max(2, int(first * scale ** i)): 100 * 0.7 ** 2 is a little less than 49, so 48.
    const double size = first * std::pow(scale, static_cast<double>(i));
    if (size > static_cast<double>(kMaxUnits)) {
      return base::InvalidArgument(
          "--first-layer-size {}, --num-layers {} and --scale-factor {} make hidden layer {} "
          "larger than {} units",
          first, num_layers, scale, i + 1, kMaxUnits);
    }
    units.push_back(std::max<std::int64_t>(2, static_cast<std::int64_t>(size)));
  }
  return units;
}

}  // namespace dime::cli
