#include "worker/input/record_parser.h"

#include <fmt/format.h>

#include <utility>

#include "worker/input/printable.h"

namespace dime::worker {
namespace {

constexpr std::size_t kMaxQuotedChars = 80;
constexpr std::size_t kMaxReasonChars = 200;

// Takes memory for a text that goes on like its first rows, and a little more.
void ReserveFor(std::string_view text, const records::TextRows& rows, models::Batch* batch) {
  const std::string_view last = rows.row(rows.num_rows() - 1);
  const std::size_t size = static_cast<std::size_t>(last.end() - rows.row(0).begin()) + 1;
  const std::size_t num_rows = text.size() / size * rows.num_rows() + rows.num_rows();
  models::ReserveExamples(static_cast<std::int64_t>(num_rows), batch);
}

}  // namespace

RecordParser::RecordParser(const models::InputFormat& format, const models::RecordEncoder& encoder,
                           std::size_t max_record_bytes)
    : format_(format),
      encoder_(encoder),
      dialect_{.separator = format.separator,
               .has_quotes = format.quoting == models::Quoting::kRfc4180,
               .max_record_bytes = max_record_bytes} {}

ParsedText RecordParser::ParseWhole(std::string_view text) const {
  ParsedText parsed;
  parsed.examples = encoder_.NewBatch();
  records::CsvReader reader(text, dialect_);
  records::TextRows rows;
  while (true) {
    if (reader.NextRows(format_.fields.size(), &rows)) {
      if (parsed.examples.num_examples == 0) ReserveFor(text, rows, &parsed.examples);
      ParseRows(rows, reader.line(), &parsed);
    } else if (reader.Next()) {
      ParseRecord(reader, &parsed);
    } else {
      break;
    }
  }
  parsed.num_lines = reader.line();
  return parsed;
}

ParsedText RecordParser::ParsePrefix(std::string_view text, std::size_t* consumed) const {
  ParsedText parsed;
  parsed.examples = encoder_.NewBatch();
  records::CsvReader reader(text, dialect_);
  records::TextRows rows;
  *consumed = text.size();
  while (true) {
    if (reader.NextRows(format_.fields.size(), &rows)) {  // Rows end well before the text does.
      ParseRows(rows, reader.line(), &parsed);
    } else if (reader.Next() && !MayReadOtherwise(reader, text.size())) {
      ParseRecord(reader, &parsed);
    } else {
      *consumed = reader.offset();
      break;
    }
  }
  parsed.num_lines = reader.line();
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

void RecordParser::ParseRows(const records::TextRows& rows, std::int64_t first_line,
                             ParsedText* parsed) const {
  std::vector<models::RowError> errors;
  encoder_.AppendRows(rows, models::LabelUse::kRequired, &parsed->examples, &errors);
  for (const models::RowError& wrong : errors) {
    AddBadRecord(rows.row(wrong.row), first_line + static_cast<std::int64_t>(wrong.row),
                 wrong.error, parsed);
  }
}

void RecordParser::ParseRecord(const records::CsvReader& reader, ParsedText* parsed) const {
  if (!reader.error().empty()) {
    const bool is_about_quotes = reader.error_field() >= 0;
    const std::string_view hint =
        is_about_quotes ? "; data that do not quote take `quoting: none` in the model's input" : "";
    return AddBadRecord(
        reader.record(), reader.line(),
        {.field = reader.error_field(), .reason = fmt::format("{}{}", reader.error(), hint)},
        parsed);
  }
  const auto error =
      encoder_.AppendFields(reader.fields(), models::LabelUse::kRequired, &parsed->examples);
  if (error) AddBadRecord(reader.record(), reader.line(), *error, parsed);
}

void RecordParser::AddBadRecord(std::string_view record, std::int64_t line,
                                const models::RecordError& error, ParsedText* parsed) const {
  ++parsed->num_bad_records;
  if (parsed->bad_records.size() >= kMaxBadRecordMessages) return;
  const std::string what = Printable(error.reason, kMaxReasonChars);
  std::string message;
  if (error.field >= 0 && static_cast<std::size_t>(error.field) < format_.fields.size()) {
    message = fmt::format("field {} ('{}'): {}", error.field + 1,
                          format_.fields[static_cast<std::size_t>(error.field)].name, what);
  } else {
    message = fmt::format("{}: '{}'", what, Printable(record, kMaxQuotedChars));
  }
  parsed->bad_records.push_back({line, std::move(message)});
}

}  // namespace dime::worker
