// runtime/records/events.h - TensorBoard's event files.
//
// Threads: one at a time. A writer opens a new file events.out.tfevents.<seconds>.<host> in its
// directory, writes the version record, and appends; a reader sees whole records after Flush().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::records {

struct Scalar {
  std::string tag;
  float value = 0;
};

// Counts over TensorFlow's default bucket limits.
struct Histogram {
  double min = 0, max = 0, num = 0, sum = 0, sum_squares = 0;
  std::vector<double> bucket_limits;  // Right edges, ascending; parallel to `buckets`.
  std::vector<double> buckets;
};
[[nodiscard]] Histogram MakeHistogram(std::span<const float> values);

enum class SessionStatus { kStart = 1, kStop = 2, kCheckpoint = 3 };

class EventWriter {
 public:
  static absl::StatusOr<std::unique_ptr<EventWriter>> Create(storage::FileSystem& fs,
                                                             const std::string& directory);
  ~EventWriter();

  absl::Status AddScalars(std::int64_t step, std::span<const Scalar> scalars);
  absl::Status AddHistogram(std::int64_t step, const std::string& tag, const Histogram& histogram);
  absl::Status AddText(std::int64_t step, const std::string& tag, const std::string& text);
  absl::Status AddSessionStatus(std::int64_t step, SessionStatus status,
                                const std::string& checkpoint_path);
  absl::Status Flush();
  absl::Status Close();

  [[nodiscard]] const std::string& path() const;

 private:
  class Impl;
  explicit EventWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One event read back: for tests and tools.
struct Event {
  double wall_time = 0;  // [seconds since 1970]
  std::int64_t step = 0;
  std::string file_version;
  std::vector<Scalar> scalars;
  std::vector<std::string> histogram_tags;
};
absl::StatusOr<std::vector<Event>> ReadEvents(std::string_view file);

}  // namespace dime::records
