#include "cli/draft/sample_text.h"

#include <algorithm>
#include <memory>
#include <string_view>

#include "runtime/storage/file_system.h"
#include "runtime/storage/input_stream.h"

namespace dime::cli {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

// What is said of a file that is no text, by its first bytes.
std::string_view KindOfBinary(std::string_view text) {
  if (text.starts_with("PAR1")) return "a Parquet file";
  if (text.starts_with("PK\x03\x04")) return "a zip or Excel file";
  if (text.starts_with("ORC")) return "an ORC file";
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) return "text in UTF-16";
  return "no text";
}

absl::Status CheckText(const std::string& path, std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  if (text.find_first_not_of(kBlanks) == text.npos) {
    return base::DataLoss("read '{}': there is nothing in it", path);
  }
  if (text.find('\0') == text.npos && !text.starts_with("PAR1") &&
      !text.starts_with("PK\x03\x04")) {
    return absl::OkStatus();
  }
  return base::DataLoss(
      "read '{}': it is {}; a text file is needed, a record a line, such as CSV (gzip is fine)",
      path, KindOfBinary(text));
}

absl::Status FillText(storage::InputStream& source, std::int64_t num_lines, SampleText* sample) {
  std::string& text = sample->text;
  std::int64_t lines = 0;
  while (lines < num_lines && text.size() < kMaxSampleBytes) {
    const std::size_t start = text.size();
    text.resize(start + kChunkBytes);
    DIME_ASSIGN_OR_RETURN(const std::size_t num_read, source.Read({&text[start], kChunkBytes}));
    text.resize(start + num_read);
    lines += std::count(text.begin() + static_cast<std::ptrdiff_t>(start), text.end(), '\n');
    if (num_read < kChunkBytes) {
      sample->is_whole_file = true;
      return absl::OkStatus();
    }
  }
  // The last line may go on.
  const std::size_t last_end = text.rfind('\n');
  if (last_end != text.npos) text.resize(last_end + 1);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SampleText> ReadSampleText(const std::string& path, std::int64_t num_lines) {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(path));
  DIME_ASSIGN_OR_RETURN(const std::unique_ptr<storage::InputStream> stream,
                        storage::OpenInputStream(*fs, path));
  SampleText sample;
  sample.is_gzip = stream->is_compressed();
  DIME_RETURN_IF_ERROR(FillText(*stream, num_lines, &sample));
  DIME_RETURN_IF_ERROR(CheckText(path, sample.text));
  return sample;
}

}  // namespace dime::cli
