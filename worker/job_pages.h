// worker/job_pages.h - the pages of a job directory that say what its checkpoints are of: the
// model's description, and what else their bytes depend on. Errors: kDataLoss names page and
// reason.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/description.h"
#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"
#include "worker/input/batch_schedule.h"

namespace dime::worker {

// Where a job directory keeps what is neither TensorFlow's nor TensorBoard's.
inline constexpr char kOwnFiles[] = "dime";
inline constexpr char kModelPage[] = "dime/model.yaml";
inline constexpr char kSettingsPage[] = "dime/job.yaml";

// What is cheap to know of a data set, and tells most others apart.
struct DataFacts {
  std::int64_t num_records = 0;  // 0: not known.
  std::uint64_t size_bytes = 0;
  friend bool operator==(const DataFacts&, const DataFacts&) = default;
};

// What a job's bytes depend on besides its model.
struct JobSettings {
  std::uint64_t seed = 1;
  Order order = Order::kShuffled;
  std::int64_t train_batch_size = 0;
  DataFacts train_data;
  std::uint64_t input_memory = std::uint64_t{1} << 30;  // Bytes; the order of what does not fit.
};

[[nodiscard]] std::string_view NameOf(Order order);

// No value: there is no such page.
absl::StatusOr<std::optional<models::ModelDescription>> ReadJobModel(storage::FileSystem& fs,
                                                                     const std::string& job_dir);
absl::StatusOr<std::optional<JobSettings>> ReadJobSettings(storage::FileSystem& fs,
                                                           const std::string& job_dir);
[[nodiscard]] std::string FormatJobSettings(const JobSettings& settings);

// Leaves a file alone that has these contents.
absl::Status WriteIfChanged(storage::FileSystem& fs, const std::string& path,
                            const std::string& contents);

}  // namespace dime::worker
