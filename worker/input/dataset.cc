#include "worker/input/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <string_view>
#include <utility>

#include "worker/input/record_parser.h"
#include "worker/input/text_window.h"

namespace dime::worker {
namespace {

// How many parts a window is cut into: enough for all threads to end together, few enough to forget
// the cost of handing them out.
constexpr std::size_t kPiecesPerWindow = 64;
constexpr std::int64_t kMaxExamples = std::numeric_limits<std::int32_t>::max();

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // What some editors put before UTF-8.

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

// Cuts text into pieces of about `piece_bytes` that end at line ends.
std::vector<std::string_view> CutAtLineEnds(std::string_view text, std::size_t piece_bytes) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const std::size_t line_end = text.find('\n', std::min(piece_bytes, text.size()));
    const std::size_t size = line_end == std::string_view::npos ? text.size() : line_end + 1;
    pieces.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return pieces;
}

// Adds one file after another to a dataset.
class Loader {
 public:
  Loader(const models::ModelDescription& description, const models::RecordEncoder& encoder,
         const DatasetOptions& options, base::ThreadPool& pool)
      : header_lines_(description.input.header_lines),
        options_(options),
        pool_(pool),
        parser_(description.input, encoder, options.max_record_bytes),
        window_bytes_(std::max(options.window_bytes, 2 * parser_.max_undecided_bytes())) {
    dataset_.examples = encoder.NewBatch();
  }

  absl::Status Load(const InputFile& file) {
    auto opened = TextWindow::Open(*file.file_system, file.path, window_bytes_);
    if (!opened.ok()) return AsDataError(opened.status());
    TextWindow window = *std::move(opened);
    path_ = file.path;
    line_ = 0;
    lines_to_skip_ = header_lines_;
    dataset_.size_bytes += window.file_bytes();
    do {
      if (options_.stop.stop_requested()) {
        return base::Cancelled("stopped while reading '{}'", path_);
      }
      DIME_RETURN_IF_ERROR(window.Fill());
      if (line_ == 0 && window.text().starts_with(kByteOrderMark)) {
        window.Consume(kByteOrderMark.size());
      }
      SkipLines(window);
      DIME_RETURN_IF_ERROR(ParseRecords(window));
    } while (!window.at_end() || !window.text().empty());
    return absl::OkStatus();
  }

  Dataset Take() { return std::move(dataset_); }

 private:
  // Header lines, and the rest of a record that is too long.
  void SkipLines(TextWindow& window) {
    for (; lines_to_skip_ > 0; --lines_to_skip_, ++line_) {
      const std::size_t line_end = window.text().find('\n');
      if (line_end == std::string_view::npos) return window.Consume(window.text().size());
      window.Consume(line_end + 1);
    }
  }

  // Parses the whole records of the window.
  absl::Status ParseRecords(TextWindow& window) {
    const std::string_view text = window.text();
    const std::string_view whole_lines =
        window.at_end() ? text : text.substr(0, text.rfind('\n') + 1);
    if (whole_lines.find('"') == std::string_view::npos) {
      DIME_RETURN_IF_ERROR(ParseInPieces(whole_lines));
      window.Consume(whole_lines.size());
    } else if (window.at_end()) {
      DIME_RETURN_IF_ERROR(Add(parser_.ParseWhole(text)));
      window.Consume(text.size());
    } else {
      std::size_t consumed = 0;
      DIME_RETURN_IF_ERROR(Add(parser_.ParsePrefix(text, &consumed)));
      window.Consume(consumed);
    }
    if (!window.at_end() && window.text().size() > parser_.max_undecided_bytes()) {
      return RefuseRecordOf(window);
    }
    return absl::OkStatus();
  }

  // A line without quotes is a record: lines can be parsed anywhere.
  absl::Status ParseInPieces(std::string_view text) {
    const std::vector<std::string_view> pieces =
        CutAtLineEnds(text, window_bytes_ / kPiecesPerWindow);
    std::vector<ParsedText> parsed(pieces.size());
    pool_.ParallelFor(static_cast<int>(pieces.size()), [&](int i) {
      const auto piece = static_cast<std::size_t>(i);
      if (!options_.stop.stop_requested()) parsed[piece] = parser_.ParseWhole(pieces[piece]);
    });
    if (options_.stop.stop_requested()) return base::Cancelled("stopped while reading '{}'", path_);
    for (const ParsedText& piece : parsed) DIME_RETURN_IF_ERROR(Add(piece));
    return absl::OkStatus();
  }

  // The window starts with a line that is longer than a record may be: memory must not grow with
  // it.
  absl::Status RefuseRecordOf(TextWindow& window) {
    ParsedText refused;
    refused.num_bad_records = 1;
    refused.bad_records.push_back(parser_.TooLong(window.text()));
    DIME_RETURN_IF_ERROR(Count(refused));
    lines_to_skip_ = 1;
    SkipLines(window);
    return absl::OkStatus();
  }

  absl::Status Add(const ParsedText& parsed) {
    if (dataset_.examples.num_examples + parsed.examples.num_examples > kMaxExamples) {
      return base::OutOfRange("'{}': more than {} records are too many for one process", path_,
                              kMaxExamples);
    }
    models::AppendExamples(parsed.examples, &dataset_.examples);
    return Count(parsed);
  }

  absl::Status Count(const ParsedText& parsed) {
    for (const BadRecord& bad : parsed.bad_records) {
      if (dataset_.bad_record_messages.size() >= kMaxBadRecordMessages) break;
      dataset_.bad_record_messages.push_back(
          fmt::format("{}:{}: {}", path_, line_ + bad.line + 1, bad.message));
    }
    line_ += parsed.num_lines;
    dataset_.num_bad_records += parsed.num_bad_records;
    if (dataset_.num_bad_records <= options_.max_bad_records) return absl::OkStatus();
    return base::OutOfRange(
        "{} bad record{} so far, {} tolerated (--max-bad-records=N tolerates N); the first: {}",
        dataset_.num_bad_records, dataset_.num_bad_records == 1 ? "" : "s",
        options_.max_bad_records, dataset_.bad_record_messages.front());
  }

  const int header_lines_;
  const DatasetOptions& options_;
  base::ThreadPool& pool_;
  const RecordParser parser_;
  const std::size_t window_bytes_;  // A record that may still turn out good always fits twice.
  Dataset dataset_;

  // Where in which file the loader is.
  std::string path_;
  std::int64_t line_ = 0;
  int lines_to_skip_ = 0;
};

}  // namespace

absl::StatusOr<Dataset> LoadDataset(const std::vector<std::string>& patterns,
                                    const models::ModelDescription& description,
                                    const models::RecordEncoder& encoder,
                                    const DatasetOptions& options, base::ThreadPool& pool) {
  const auto start = std::chrono::steady_clock::now();
  DIME_ASSIGN_OR_RETURN(const auto files, FindFiles(patterns));
  Loader loader(description, encoder, options, pool);
  for (const InputFile& file : files) DIME_RETURN_IF_ERROR(loader.Load(file));
  Dataset dataset = loader.Take();
  if (dataset.examples.num_examples == 0) {
    return base::OutOfRange("no records in '{}' ({} bytes, {} bad records)",
                            fmt::join(patterns, "', '"), dataset.size_bytes,
                            dataset.num_bad_records);
  }
  dataset.read_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return dataset;
}

}  // namespace dime::worker
