#include "cli/draft/sample_text.h"

#include <zlib.h>

#include <algorithm>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/storage/file_system.h"

namespace dime::cli {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

// A file's bytes, or what they unpack to, piece by piece.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills the buffer up to where the bytes end.
  virtual absl::StatusOr<std::size_t> Read(std::span<char> buffer) = 0;
};

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(storage::ReadableFile& file) : file_(file) {}

  absl::StatusOr<std::size_t> Read(std::span<char> buffer) override {
    DIME_ASSIGN_OR_RETURN(const std::size_t num_read, file_.ReadAt(offset_, buffer));
    offset_ += num_read;
    return num_read;
  }

 private:
  storage::ReadableFile& file_;
  std::uint64_t offset_ = 0;
};

// One gzip stream after another, as `cat a.gz b.gz` makes them.
class GzipSource : public ByteSource {
 public:
  GzipSource(storage::ReadableFile& file, std::string path)
      : packed_(file), path_(std::move(path)), input_(kChunkBytes) {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;
  ~GzipSource() override { inflateEnd(&stream_); }

  absl::StatusOr<std::size_t> Read(std::span<char> buffer) override {
    stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream_.avail_out = static_cast<uInt>(buffer.size());
    while (stream_.avail_out > 0) {
      if (stream_.avail_in == 0) {
        DIME_ASSIGN_OR_RETURN(const std::size_t num_read, packed_.Read(input_));
        if (num_read == 0 && is_between_streams_) break;
        if (num_read == 0) return base::DataLoss("read '{}': its gzip data are cut off", path_);
        stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
        stream_.avail_in = static_cast<uInt>(num_read);
      }
      const int result = inflate(&stream_, Z_NO_FLUSH);
      is_between_streams_ = result == Z_STREAM_END;
      if (is_between_streams_) inflateReset(&stream_);
      if (result == Z_MEM_ERROR) throw std::bad_alloc();
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        return base::DataLoss("read '{}': its gzip data are damaged: {}", path_,
                              stream_.msg == nullptr ? "no reason is known" : stream_.msg);
      }
    }
    return buffer.size() - stream_.avail_out;
  }

 private:
  PlainSource packed_;
  const std::string path_;
  std::vector<char> input_;
  z_stream stream_{};
  bool is_between_streams_ = false;
};

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

absl::Status FillText(ByteSource& source, std::int64_t num_lines, SampleText* sample) {
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
  DIME_ASSIGN_OR_RETURN(const std::unique_ptr<storage::ReadableFile> file, fs->OpenForRead(path));
  constexpr std::string_view kGzipMagic = "\x1f\x8b";
  std::string magic(kGzipMagic.size(), '\0');
  DIME_ASSIGN_OR_RETURN(const std::size_t num_read, file->ReadAt(0, magic));
  SampleText sample;
  sample.is_gzip = num_read == magic.size() && magic == kGzipMagic;
  std::unique_ptr<ByteSource> source;
  if (sample.is_gzip) {
    source = std::make_unique<GzipSource>(*file, path);
  } else {
    source = std::make_unique<PlainSource>(*file);
  }
  DIME_RETURN_IF_ERROR(FillText(*source, num_lines, &sample));
  DIME_RETURN_IF_ERROR(CheckText(path, sample.text));
  return sample;
}

}  // namespace dime::cli
