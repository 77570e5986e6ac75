#include "worker/input/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "runtime/records/tfrecord.h"
#include "worker/input/csv_file.h"
#include "worker/input/example_collector.h"
#include "worker/input/example_file.h"
#include "worker/input/file_window.h"

namespace dime::worker {
namespace {

// What is wrong with an input file is wrong with the data, not with the job's configuration.
absl::Status AsDataError(const absl::Status& status) {
  if (!absl::IsInvalidArgument(status)) return status;
  return absl::OutOfRangeError(status.message());
}

struct InputFile {
  storage::FileSystem* file_system = nullptr;
  std::string path;
};

absl::StatusOr<std::vector<InputFile>> FindFiles(const std::vector<std::string>& patterns) {
  std::vector<InputFile> files;
  for (const std::string& pattern : patterns) {
    DIME_ASSIGN_OR_RETURN(storage::FileSystem * file_system, storage::FileSystemFor(pattern));
    DIME_ASSIGN_OR_RETURN(const auto paths, file_system->Glob(pattern));
    if (paths.empty()) return base::NotFound("no file matches '{}'", pattern);
    for (const std::string& path : paths) files.push_back({file_system, path});
  }
  return files;
}

absl::StatusOr<std::uint64_t> TotalBytes(const std::vector<InputFile>& files) {
  std::uint64_t total = 0;
  for (const InputFile& file : files) {
    DIME_ASSIGN_OR_RETURN(const storage::FileInfo info, file.file_system->Stat(file.path));
    total += info.size_bytes;
  }
  return total;
}

// Reads one file after another into a collector.
class Loader {
 public:
  Loader(const models::ModelDescription& description, const models::RecordEncoder& encoder,
         const DatasetOptions& options, base::ThreadPool& pool, std::uint64_t input_bytes)
      : format_(description.input.file_format),
        collector_(encoder, options, input_bytes),
        csv_(description.input, encoder, options, pool, collector_),
        examples_(description, encoder, options, pool, collector_),
        window_bytes_(std::max(
            {options.window_bytes, csv_.min_window_bytes(), examples_.min_window_bytes()})) {}

  absl::Status Load(const InputFile& file) {
    DIME_RETURN_IF_ERROR(collector_.CheckStop(file.path));
    auto window = FileWindow::Open(*file.file_system, file.path, window_bytes_);
    if (!window.ok()) return AsDataError(window.status());
    collector_.BeginFile(window->stream());
    DIME_RETURN_IF_ERROR(Read(file, *window));
    collector_.EndFile();
    return absl::OkStatus();
  }

  absl::StatusOr<Dataset> Finish() { return collector_.Finish(); }

 private:
  absl::Status Read(const InputFile& file, FileWindow& window) {
    DIME_RETURN_IF_ERROR(window.Fill());
    const bool is_tfrecord = records::LooksLikeRecords(window.text());
    if (format_ == models::FileFormat::kTfRecord && !is_tfrecord && !window.text().empty()) {
      return base::DataLoss("'{}' is no TFRecord file, as the model's input says it is", file.path);
    }
    if (is_tfrecord && format_ != models::FileFormat::kCsv) {
      return examples_.Read(file.path, window);
    }
    return csv_.Read(file.path, window);
  }

  const models::FileFormat format_;
  ExampleCollector collector_;
  CsvFileReader csv_;
  ExampleFileReader examples_;
  const std::size_t window_bytes_;
};

}  // namespace

std::size_t WindowBytesWithin(std::uint64_t memory_bytes) {
  constexpr std::uint64_t kPartOfMemory = 16;
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(DatasetOptions().window_bytes, memory_bytes / kPartOfMemory));
}

absl::StatusOr<Dataset> LoadDataset(const std::vector<std::string>& patterns,
                                    const models::ModelDescription& description,
                                    const models::RecordEncoder& encoder,
                                    const DatasetOptions& options, base::ThreadPool& pool) {
  const auto start = std::chrono::steady_clock::now();
  const std::clock_t cpu_start = std::clock();
  DIME_ASSIGN_OR_RETURN(const auto files, FindFiles(patterns));
  DIME_ASSIGN_OR_RETURN(const std::uint64_t input_bytes, TotalBytes(files));
  Loader loader(description, encoder, options, pool, input_bytes);
  for (const InputFile& file : files) DIME_RETURN_IF_ERROR(loader.Load(file));
  DIME_ASSIGN_OR_RETURN(Dataset dataset, loader.Finish());
  if (dataset.examples.size() == 0) {
    return base::OutOfRange("no records in '{}' ({} bytes, {} bad records)",
                            fmt::join(patterns, "', '"), dataset.size_bytes,
                            dataset.num_bad_records);
  }
  dataset.read_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  dataset.cpu_seconds = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
  return dataset;
}

}  // namespace dime::worker
