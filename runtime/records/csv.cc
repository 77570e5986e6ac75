#include "runtime/records/csv.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "runtime/records/internal/row_kernels.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace dime::records {
namespace {

constexpr std::size_t kBlockBytes = 64;
constexpr std::size_t kMaxRowsBytes = std::size_t{1} << 16;  // What NextRows() looks at.

// Bit i says whether block[i] is a separator, a quote or a line feed.
std::uint64_t FindStructure(const char* block, char separator, char quote) {
  std::uint64_t found = 0;
#if defined(__SSE2__)
  const __m128i separators = _mm_set1_epi8(separator);
  const __m128i quotes = _mm_set1_epi8(quote);
  const __m128i line_feeds = _mm_set1_epi8('\n');
  for (std::size_t start = 0; start < kBlockBytes; start += sizeof(__m128i)) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + start));
    const __m128i hits = _mm_or_si128(
        _mm_cmpeq_epi8(bytes, separators),
        _mm_or_si128(_mm_cmpeq_epi8(bytes, quotes), _mm_cmpeq_epi8(bytes, line_feeds)));
    found |= std::uint64_t{static_cast<std::uint16_t>(_mm_movemask_epi8(hits))} << start;
  }
#else
  for (std::size_t i = 0; i < kBlockBytes; ++i) {
    const char c = block[i];
    found |= std::uint64_t{c == separator || c == quote || c == '\n'} << i;
  }
#endif
  return found;
}

// The same for the last bytes of a text, fewer than a block.
std::uint64_t FindStructureInTail(std::string_view tail, char separator, char quote) {
  char block[kBlockBytes] = {};
  std::memcpy(block, tail.data(), tail.size());
  return FindStructure(block, separator, quote) & ((std::uint64_t{1} << tail.size()) - 1);
}

// Some of a text for a message.
std::string Shorten(std::string_view text) {
  constexpr std::size_t kMaxBytes = 40;
  return fmt::format("'{}{}'", text.substr(0, kMaxBytes), text.size() > kMaxBytes ? "..." : "");
}

// Where `c` is first at or after `start`, or `end`.
std::size_t Find(std::string_view text, char c, std::size_t start, std::size_t end) {
  const void* found = std::memchr(text.data() + start, c, end - start);
  return found == nullptr ? end
                          : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace

CsvReader::CsvReader(std::string_view text, const CsvDialect& dialect)
    : text_(text), dialect_(dialect) {}

bool CsvReader::Next() {
  while (position_ < text_.size() && AtLineEnd(position_)) {
    position_ = FindLineEnd(position_) + 1;
    ++next_line_;
  }
  fields_.clear();
  unescaped_.clear();
  error_.clear();
  error_field_ = -1;
  record_line_ = next_line_;
  record_offset_ = std::min(position_, text_.size());
  record_size_ = 0;
  if (position_ >= text_.size()) return false;
  ReadRecord();
  return true;
}

bool CsvReader::NextRows(std::size_t num_fields, TextRows* rows) {
  fields_.clear();
  error_.clear();
  error_field_ = -1;
  record_line_ = next_line_;
  record_offset_ = std::min(position_, text_.size());
  record_size_ = 0;
  const std::size_t left_bytes = text_.size() - record_offset_;
  if (left_bytes < internal::kScanBytes + TextRows::kReadableBytes) return false;
  rows->text_ = text_.data() + record_offset_;
  rows->num_fields_ = num_fields;
  rows->starts_.resize(TextRows::kMaxRows * num_fields + internal::kScanBytes + 1);
  std::size_t num_rows = internal::BestRowKernels().scan_rows(
      {.text = rows->text_,
       .num_bytes = std::min(left_bytes - TextRows::kReadableBytes, kMaxRowsBytes),
       .separator = dialect_.separator,
       .num_fields = num_fields,
       .max_rows = TextRows::kMaxRows,
       .starts = rows->starts_.data(),
       .capacity = rows->starts_.size()});
  const bool all_are_plain = num_fields > 1 && dialect_.max_record_bytes >= kMaxRowsBytes;
  for (std::size_t r = 0; !all_are_plain && r < num_rows; ++r) {
    if (!IsPlain(rows->row(r))) num_rows = r;
  }
  rows->num_rows_ = num_rows;
  position_ += rows->starts_[num_rows * num_fields];
  next_line_ += static_cast<std::int64_t>(num_rows);
  return num_rows > 0;
}

// The fast way: a block at a time, until a quote says that it is not enough.
void CsvReader::ReadRecord() {
  std::size_t field_start = record_offset_;
  const std::size_t limit = RecordLimit();
  const char quote = dialect_.has_quotes ? '"' : '\n';
  for (std::size_t block = record_offset_; block < limit; block += kBlockBytes) {
    std::uint64_t structure =
        text_.size() - block >= kBlockBytes
            ? FindStructure(text_.data() + block, dialect_.separator, quote)
            : FindStructureInTail(text_.substr(block), dialect_.separator, quote);
    for (; structure != 0; structure &= structure - 1) {
      const std::size_t at = block + static_cast<std::size_t>(std::countr_zero(structure));
      if (text_[at] == dialect_.separator) {
        fields_.push_back(text_.substr(field_start, at - field_start));
        field_start = at + 1;
      } else if (text_[at] == '"') {  // Where there are quotes: they are not found otherwise.
        fields_.clear();
        return ReadQuotedRecord();
      } else {
        AddField(field_start, at);
        return FinishRecord(at, 1);
      }
    }
  }
  const std::size_t line_end = FindLineEnd(limit);
  AddField(field_start, line_end);
  FinishRecord(line_end, 1);
}

void CsvReader::ReadQuotedRecord() {
  for (std::size_t position = record_offset_;; ++position) {  // Steps over the separator.
    const bool quoted = position < text_.size() && text_[position] == '"';
    if (!(quoted ? ReadQuotedField(&position) : ReadUnquotedField(&position))) return;
    const bool at_separator = position < text_.size() && text_[position] == dialect_.separator;
    if (at_separator) continue;
    const std::string_view record = text_.substr(record_offset_, position - record_offset_);
    return FinishRecord(FindLineEnd(position), 1 + std::count(record.begin(), record.end(), '\n'));
  }
}

// Reads the field whose opening quote is at `*position`, and moves behind its closing one.
bool CsvReader::ReadQuotedField(std::size_t* position) {
  const int field = static_cast<int>(fields_.size());
  const std::size_t limit = RecordLimit();
  std::string* unescaped = nullptr;
  std::size_t start = *position + 1;
  std::size_t quote = Find(text_, '"', std::min(start, limit), limit);
  for (; quote + 1 < limit && text_[quote + 1] == '"'; quote = Find(text_, '"', start, limit)) {
    if (unescaped == nullptr) unescaped = &unescaped_.emplace_back();
    unescaped->append(text_, start, quote + 1 - start);  // With one of the two quotes.
    start = quote + 2;
  }
  if (quote >= limit) {
    const std::string shown = Shorten(LineFrom(*position));
    Fail(field, limit == text_.size()
                    ? fmt::format("{}: its quote is never closed", shown)
                    : fmt::format("{}: its quote is not closed within {} bytes of the record's "
                                  "start",
                                  shown, dialect_.max_record_bytes));
    return false;
  }
  const std::size_t opening = *position;
  *position = quote + 1;
  if (text_.substr(quote + 1, 1) != std::string_view(&dialect_.separator, 1) &&
      !AtLineEnd(quote + 1)) {
    Fail(field, Shorten(LineFrom(opening)) +
                    ": text follows its closing quote; a quote inside a quoted field is written "
                    "twice");
    return false;
  }
  if (unescaped == nullptr) {
    fields_.push_back(text_.substr(start, quote - start));
  } else {
    unescaped->append(text_, start, quote - start);
    fields_.push_back(*unescaped);
  }
  return true;
}

// Reads the field that starts at `*position`, and moves to the separator or line end behind it.
bool CsvReader::ReadUnquotedField(std::size_t* position) {
  const std::size_t start = *position;
  std::size_t end = start;
  while (end < text_.size() && text_[end] != dialect_.separator && text_[end] != '\n') {
    if (text_[end] == '"') {
      const bool after_blanks =
          text_.substr(start, end - start).find_first_not_of(" \t") == text_.npos;
      Fail(static_cast<int>(fields_.size()),
           Shorten(LineFrom(start)) +
               (after_blanks ? ": a blank is before its opening quote; remove the blank"
                             : ": a quote is inside an unquoted field; enclose the field in quotes "
                               "and write it twice"));
      return false;
    }
    ++end;
  }
  *position = end;
  if (end < text_.size() && text_[end] == dialect_.separator) {
    fields_.push_back(text_.substr(start, end - start));
  } else {
    AddField(start, end);
  }
  return true;
}

// Adds the last field of a line, without the carriage return of a CRLF.
void CsvReader::AddField(std::size_t start, std::size_t end) {
  if (end > start && text_[end - 1] == '\r') --end;
  fields_.push_back(text_.substr(start, end - start));
}

// True at LF, CRLF, the end of the text, and a CR there, whose LF was cut off.
bool CsvReader::AtLineEnd(std::size_t position) const {
  if (position < text_.size() && text_[position] == '\r') ++position;
  return position >= text_.size() || text_[position] == '\n';
}

std::size_t CsvReader::FindLineEnd(std::size_t position) const {
  return position >= text_.size() ? text_.size() : Find(text_, '\n', position, text_.size());
}

// The rest of a line, without its end.
std::string_view CsvReader::LineFrom(std::size_t position) const {
  std::size_t end = FindLineEnd(position);
  if (end > position && text_[end - 1] == '\r') --end;
  return text_.substr(position, end - position);
}

// Where the record has to have ended.
std::size_t CsvReader::RecordLimit() const {
  return record_offset_ + std::min(dialect_.max_record_bytes, text_.size() - record_offset_);
}

void CsvReader::FinishRecord(std::size_t line_end, std::int64_t num_lines) {
  std::size_t end = line_end;
  if (end > record_offset_ && text_[end - 1] == '\r') --end;
  record_size_ = end - record_offset_;
  if (record_size_ > dialect_.max_record_bytes) {
    const bool has_cr = text_.substr(record_offset_, dialect_.max_record_bytes).find('\r') !=
                        std::string_view::npos;
    return Fail(-1, fmt::format("the record is longer than {} bytes{}", dialect_.max_record_bytes,
                                has_cr ? "; does the file end its lines with CR alone?" : ""));
  }
  position_ = line_end + 1;
  next_line_ += num_lines;
}

// Whether a line without quotes is a record as it stands.
bool CsvReader::IsPlain(std::string_view row) const {
  return !row.empty() && row.size() <= dialect_.max_record_bytes;
}

// Gives up the line that the record starts on.
void CsvReader::Fail(int field, std::string error) {
  fields_.clear();
  error_field_ = field;
  error_ = std::move(error);
  const std::size_t line_end = FindLineEnd(record_offset_);
  record_size_ = line_end - record_offset_;
  if (record_size_ > 0 && text_[line_end - 1] == '\r') --record_size_;
  position_ = line_end + 1;
  ++next_line_;
}

}  // namespace dime::records
