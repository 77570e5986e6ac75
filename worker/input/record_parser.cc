#include "worker/input/record_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace dime::worker {
namespace {

constexpr std::size_t kMaxQuotedChars = 80;
constexpr std::size_t kMaxReasonChars = 160;

// `text` fit for a terminal: no control characters, not longer than `max_chars` and a few dots.
std::string Printable(std::string_view text, std::size_t max_chars) {
  std::string printable;
  for (const char c : text) {
    if (printable.size() >= max_chars) return printable + "...";
    const bool is_plain = c >= ' ' && c <= '~';
    printable +=
        is_plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return printable;
}

}  // namespace

RecordParser::RecordParser(const models::InputFormat& format, const models::RecordEncoder& encoder,
                           std::size_t max_record_bytes)
    : format_(format),
      encoder_(encoder),
      dialect_{.separator = format.separator, .max_record_bytes = max_record_bytes} {}

ParsedText RecordParser::ParseWhole(std::string_view text) const {
  ParsedText parsed;
  parsed.examples = encoder_.NewBatch();
  records::CsvReader reader(text, dialect_);
  while (reader.Next()) ParseRecord(reader, &parsed);
  parsed.num_lines = std::count(text.begin(), text.end(), '\n');
  return parsed;
}

ParsedText RecordParser::ParsePrefix(std::string_view text, std::size_t* consumed) const {
  ParsedText parsed;
  parsed.examples = encoder_.NewBatch();
  records::CsvReader reader(text, dialect_);
  *consumed = text.size();
  while (reader.Next()) {
    if (MayReadOtherwise(reader, text.size())) {
      *consumed = reader.offset();
      break;
    }
    ParseRecord(reader, &parsed);
  }
  text = text.substr(0, *consumed);
  parsed.num_lines = std::count(text.begin(), text.end(), '\n');
  return parsed;
}

// Whether the current record could be another one, or a good one, if the text went on.
bool RecordParser::MayReadOtherwise(const records::CsvReader& reader, std::size_t text_size) const {
  const std::size_t end = reader.offset() + reader.record().size();
  const bool line_end_is_cut = end + 1 >= text_size;  // CR and LF are two characters.
  const bool quote_may_be_closed =
      !reader.error().empty() && text_size - reader.offset() <= max_undecided_bytes();
  return line_end_is_cut || quote_may_be_closed;
}

BadRecord RecordParser::TooLong(std::string_view text) const {
  return {.line = 0,
          .message = fmt::format("the record is longer than {} bytes: '{}'",
                                 dialect_.max_record_bytes, Printable(text, kMaxQuotedChars))};
}

void RecordParser::ParseRecord(const records::CsvReader& reader, ParsedText* parsed) const {
  if (!reader.error().empty()) {
    return AddBadRecord(reader, reader.error_field(), reader.error(), parsed);
  }
  const auto error =
      encoder_.AppendFields(reader.fields(), models::LabelUse::kRequired, &parsed->examples);
  if (error) AddBadRecord(reader, error->field, error->reason, parsed);
}

void RecordParser::AddBadRecord(const records::CsvReader& reader, int field,
                                std::string_view reason, ParsedText* parsed) const {
  ++parsed->num_bad_records;
  if (parsed->bad_records.size() >= kMaxBadRecordMessages) return;
  const std::string what = Printable(reason, kMaxReasonChars);
  std::string message;
  if (field >= 0 && static_cast<std::size_t>(field) < format_.fields.size()) {
    message = fmt::format("field {} ('{}'): {}", field + 1,
                          format_.fields[static_cast<std::size_t>(field)].name, what);
  } else {
    message = fmt::format("{}: '{}'", what, Printable(reader.record(), kMaxQuotedChars));
  }
  parsed->bad_records.push_back({reader.line(), std::move(message)});
}

}  // namespace dime::worker
