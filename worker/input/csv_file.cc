#include "worker/input/csv_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "runtime/base/text.h"
#include "worker/input/pieces.h"

namespace dime::worker {
namespace {

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

}  // namespace

CsvFileReader::CsvFileReader(const models::InputFormat& format,
                             const models::RecordEncoder& encoder, const DatasetOptions& options,
                             base::ThreadPool& pool, ExampleCollector& collector)
    : format_(format),
      pool_(pool),
      collector_(collector),
      parser_(format, encoder, options.max_record_bytes),
      piece_bytes_(std::max(options.window_bytes, min_window_bytes()) / kPiecesPerWindow) {}

absl::Status CsvFileReader::Read(const std::string& path, FileWindow& window) {
  path_ = path;
  line_ = 0;
  lines_to_skip_ = format_.header_lines;
  do {
    DIME_RETURN_IF_ERROR(collector_.CheckStop(path_));
    DIME_RETURN_IF_ERROR(window.Fill());
    if (window.offset() == 0 && window.text().starts_with(base::kByteOrderMark)) {
      window.Consume(base::kByteOrderMark.size());
    }
    DIME_RETURN_IF_ERROR(SkipLines(window));
    DIME_RETURN_IF_ERROR(ParseRecords(window));
  } while (!window.at_end() || !window.text().empty());
  return absl::OkStatus();
}

// Header lines, and the rest of a record that is too long.
absl::Status CsvFileReader::SkipLines(FileWindow& window) {
  for (; lines_to_skip_ > 0; --lines_to_skip_, ++line_) {
    const std::size_t line_end = window.text().find('\n');
    if (line_end == std::string_view::npos) {
      window.Consume(window.text().size());
      return absl::OkStatus();
    }
    if (lines_to_skip_ == 1 && line_ + 1 == format_.header_lines) {
      DIME_RETURN_IF_ERROR(CheckHeader(window.text().substr(0, line_end)));
    }
    window.Consume(line_end + 1);
  }
  return absl::OkStatus();
}

absl::Status CsvFileReader::CheckHeader(std::string_view line) const {
  std::vector<std::string_view> names;
  for (std::size_t start = 0; start <= line.size();) {
    const std::size_t end = std::min(line.find(format_.separator, start), line.size());
    std::string_view name = base::Trimmed(line.substr(start, end - start));
    if (name.size() > 1 && name.front() == '"' && name.back() == '"') {
      name = name.substr(1, name.size() - 2);
    }
    names.push_back(name);
    start = end + 1;
  }
  std::vector<std::string_view> expected;
  for (const models::Field& field : format_.fields) expected.push_back(field.name);
  const auto [found, wanted] = std::ranges::mismatch(names, expected);
  if (wanted == expected.end() || !std::ranges::is_permutation(names, expected)) {
    return absl::OkStatus();  // The same, or other names than the page has.
  }
  return base::OutOfRange(
      "line {} of '{}' names the fields in another order than the model's input has them: column "
      "{} is '{}' there and '{}' here",
      line_ + 1, path_, found - names.begin() + 1, *found, *wanted);
}

// Parses the whole records of the window.
absl::Status CsvFileReader::ParseRecords(FileWindow& window) {
  const std::string_view text = window.text();
  const std::string_view whole_lines =
      window.at_end() ? text : text.substr(0, text.rfind('\n') + 1);
  if (parser_.EveryLineIsARecord(whole_lines)) {
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

absl::Status CsvFileReader::ParseInPieces(std::string_view text) {
  const std::vector<std::string_view> pieces = CutAtLineEnds(text, piece_bytes_);
  std::vector<ParsedText> parsed(pieces.size());
  pool_.ParallelFor(static_cast<int>(pieces.size()), [&](int i) {
    const auto piece = static_cast<std::size_t>(i);
    if (collector_.CheckStop(path_).ok()) parsed[piece] = parser_.ParseWhole(pieces[piece]);
  });
  DIME_RETURN_IF_ERROR(collector_.CheckStop(path_));
  std::int64_t num_examples = 0;
  for (const ParsedText& piece : parsed) num_examples += piece.examples.num_examples;
  collector_.Reserve(num_examples);
  for (ParsedText& piece : parsed) {
    DIME_RETURN_IF_ERROR(Add(piece));
    piece = ParsedText();  // Its memory is of use for the next.
  }
  return absl::OkStatus();
}

// The window starts with a line that is longer than a record may be: memory must not grow with it.
absl::Status CsvFileReader::RefuseRecordOf(FileWindow& window) {
  ParsedText refused;
  refused.num_bad_records = 1;
  refused.bad_records.push_back(parser_.TooLong(window.text()));
  DIME_RETURN_IF_ERROR(Add(refused));
  lines_to_skip_ = 1;
  return SkipLines(window);
}

absl::Status CsvFileReader::Add(const ParsedText& parsed) {
  DIME_RETURN_IF_ERROR(collector_.Add(parsed, [this](const BadRecord& bad) {
    return fmt::format("{}:{}: {}", path_, line_ + bad.line + 1, bad.message);
  }));
  line_ += parsed.num_lines;
  return absl::OkStatus();
}

}  // namespace dime::worker
