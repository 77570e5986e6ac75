#include "worker/input/example_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "runtime/records/tfrecord.h"
#include "worker/input/pieces.h"

namespace dime::worker {

ExampleFileReader::ExampleFileReader(const models::ModelDescription& description,
                                     const models::RecordEncoder& encoder,
                                     const DatasetOptions& options, base::ThreadPool& pool,
                                     ExampleCollector& collector)
    : pool_(pool),
      collector_(collector),
      parser_(description.input, encoder),
      max_framed_bytes_(options.max_record_bytes + records::kRecordFrameBytes),
      piece_bytes_(std::max(options.window_bytes, min_window_bytes()) / kPiecesPerWindow) {}

absl::Status ExampleFileReader::Read(const std::string& path, FileWindow& window) {
  path_ = path;
  record_ = 0;
  bytes_to_skip_ = 0;
  do {
    DIME_RETURN_IF_ERROR(collector_.CheckStop(path_));
    DIME_RETURN_IF_ERROR(window.Fill());
    SkipRecord(window);
    DIME_RETURN_IF_ERROR(ParseRecords(window));
  } while (!window.at_end() || !window.text().empty());
  return absl::OkStatus();
}

// The rest of a record that is too long.
void ExampleFileReader::SkipRecord(FileWindow& window) {
  const std::uint64_t size = std::min<std::uint64_t>(bytes_to_skip_, window.text().size());
  window.Consume(static_cast<std::size_t>(size));
  bytes_to_skip_ -= size;
}

// Parses the whole records of the window.
absl::Status ExampleFileReader::ParseRecords(FileWindow& window) {
  DIME_ASSIGN_OR_RETURN(const std::vector<Piece> pieces, CutAtRecords(window));
  DIME_RETURN_IF_ERROR(ParsePieces(pieces));
  for (const Piece& piece : pieces) window.Consume(piece.records.size());
  return CheckRest(window);
}

absl::StatusOr<std::vector<ExampleFileReader::Piece>> ExampleFileReader::CutAtRecords(
    const FileWindow& window) const {
  std::vector<Piece> pieces;
  const std::string_view text = window.text();
  std::size_t begin = 0;
  std::size_t end = 0;
  const auto finish_piece = [&] {
    if (end > begin) pieces.push_back({text.substr(begin, end - begin), window.offset() + begin});
    begin = end;
  };
  for (;;) {
    const auto size = records::FramedSize(text.substr(end));
    if (!size.ok()) return AtByte(size.status(), window.offset() + end);
    const std::uint64_t room = std::min<std::uint64_t>(text.size() - end, max_framed_bytes_);
    if (!size->has_value() || **size > room) break;
    end += static_cast<std::size_t>(**size);
    if (end - begin >= piece_bytes_) finish_piece();
  }
  finish_piece();
  return pieces;
}

absl::Status ExampleFileReader::ParsePieces(const std::vector<Piece>& pieces) {
  std::vector<absl::StatusOr<ParsedText>> parsed(pieces.size());
  pool_.ParallelFor(static_cast<int>(pieces.size()), [&](int i) {
    const auto p = static_cast<std::size_t>(i);
    if (collector_.CheckStop(path_).ok()) {
      parsed[p] = parser_.Parse(pieces[p].records, pieces[p].offset);
    }
  });
  DIME_RETURN_IF_ERROR(collector_.CheckStop(path_));
  for (const absl::StatusOr<ParsedText>& piece : parsed) {
    if (!piece.ok()) return base::Annotate(piece.status(), fmt::format("'{}'", path_));
    DIME_RETURN_IF_ERROR(Add(*piece));
  }
  return absl::OkStatus();
}

// What the window holds once its whole records are gone: the start of one, which may be too long,
// or cut off.
absl::Status ExampleFileReader::CheckRest(FileWindow& window) {
  const std::string_view text = window.text();
  if (text.empty()) {
    if (!window.at_end() || bytes_to_skip_ == 0) return absl::OkStatus();
    return base::DataLoss("'{}' ends within a record: {} bytes are missing", path_, bytes_to_skip_);
  }
  const auto size = records::FramedSize(text);
  if (!size.ok()) return AtByte(size.status(), window.offset());
  if (size->has_value() && **size > max_framed_bytes_) {
    ParsedText refused;
    refused.num_bad_records = refused.num_lines = 1;
    refused.bad_records.push_back(
        {.line = 0,
         .message = fmt::format("at byte {}: its {} bytes are more than the {} of a record",
                                window.offset(), **size - records::kRecordFrameBytes,
                                max_framed_bytes_ - records::kRecordFrameBytes)});
    DIME_RETURN_IF_ERROR(Add(refused));
    bytes_to_skip_ = **size;
    SkipRecord(window);
    return absl::OkStatus();
  }
  if (!window.at_end()) return absl::OkStatus();
  return AtByte(base::DataLoss("is cut off: {} bytes are left of {}", text.size(),
                               size->value_or(records::kRecordHeaderBytes)),
                window.offset());
}

absl::Status ExampleFileReader::Add(const ParsedText& parsed) {
  DIME_RETURN_IF_ERROR(collector_.Add(parsed, [this](const BadRecord& bad) {
    return fmt::format("{}: record {} {}", path_, record_ + bad.line + 1, bad.message);
  }));
  record_ += parsed.num_lines;
  return absl::OkStatus();
}

absl::Status ExampleFileReader::AtByte(const absl::Status& status, std::uint64_t offset) const {
  return base::Annotate(status, fmt::format("'{}': record at byte {}", path_, offset));
}

}  // namespace dime::worker
