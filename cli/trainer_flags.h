// cli/trainer_flags.h - the flags of the census sample's trainer.task: what stands after the `--`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "runtime/base/status.h"

namespace dime::cli {

// A flag that was not given has no value: the model's description decides.
struct TrainerFlags {
  std::vector<std::string> train_files;
  std::vector<std::string> eval_files;
  std::optional<std::string> job_dir;
  std::optional<std::int64_t> num_epochs;
  std::optional<std::int64_t> train_steps;
  std::optional<std::int64_t> train_batch_size;
  std::optional<std::int64_t> eval_batch_size;
  std::optional<std::int64_t> eval_steps;
  std::optional<std::int64_t> eval_delay_secs;
  std::optional<std::int64_t> min_eval_frequency;
  std::optional<std::int64_t> embedding_size;
  std::optional<std::int64_t> first_layer_size;
  std::optional<std::int64_t> num_layers;
  std::optional<double> scale_factor;
  std::string export_format = "JSON";
  std::optional<std::string> verbosity;
  // Taken from those who have them in their scripts; dime reads ahead by itself.
  std::optional<std::int64_t> num_parallel_calls;
  std::optional<std::int64_t> prefetch_buffer_size;
};

// Reads the flags of both generations of the sample, as ParseArguments() does.
absl::StatusOr<Parsed> ParseTrainerFlags(std::span<const std::string> words, TrainerFlags* flags);

// Their part of a help page.
[[nodiscard]] std::string FormatTrainerFlags();
[[nodiscard]] bool IsTrainerFlag(const std::string& name);

// The layers that the flags ask for, with the sample's defaults for those of them that were not
// given; empty when none was. kInvalidArgument names the flags when a layer becomes too large.
absl::StatusOr<std::vector<std::int64_t>> HiddenUnits(const TrainerFlags& flags);

}  // namespace dime::cli
