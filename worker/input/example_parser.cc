#include "worker/input/example_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "runtime/base/check.h"
#include "runtime/records/tfrecord.h"
#include "worker/input/printable.h"

namespace dime::worker {
namespace {

using models::FieldType;
using records::ExampleReader;
using Kind = ExampleReader::Kind;

constexpr std::size_t kMaxQuotedChars = 80;
constexpr std::size_t kMaxReasonChars = 160;

const models::FieldValue kDefaultValue = {.text = "", .number = std::nullopt, .present = true};

// What is wrong with a number in the field; "" when nothing is.
std::string CheckNumber(FieldType type, double number) {
  const bool is_int32 = number == std::floor(number) &&
                        number >= std::numeric_limits<std::int32_t>::min() &&
                        number <= std::numeric_limits<std::int32_t>::max();
  if (type != FieldType::kInteger || is_int32) return "";
  return fmt::format("{} is not an integer of 32 bits", number);
}

// Takes the value of a feature for a field of type `type`. Returns what is wrong with it, or "".
std::string TakeValue(const ExampleReader& reader, const ExampleReader::Feature& feature,
                      FieldType type, models::FieldValue* value) {
  *value = kDefaultValue;
  if (feature.kind == Kind::kNone) return "";
  if (feature.count != 1) {
    return fmt::format("has {} values; one is expected", feature.count);
  }
  if (feature.kind == Kind::kBytes) {
    value->text = reader.Bytes(feature)[0];
    if (type == FieldType::kString) return "";
    return fmt::format("is the string '{}'; a number is expected",
                       Printable(value->text, kMaxQuotedChars));
  }
  const double number = feature.kind == Kind::kFloats
                            ? static_cast<double>(reader.Floats(feature)[0])
                            : static_cast<double>(reader.Integers(feature)[0]);
  value->number = number;  // The encoder refuses it where text belongs.
  return CheckNumber(type, number);
}

}  // namespace

// Memory that is kept from record to record.
class ExampleParser::Scratch {
 public:
  explicit Scratch(std::size_t num_fields) : values(num_fields, kDefaultValue) {}

  ExampleReader reader;
  std::vector<models::FieldValue> values;  // By field.
  // The field that the i-th feature of the record before was, or -1: writers keep an order.
  std::vector<int> fields_of_last;
};

ExampleParser::ExampleParser(const models::InputFormat& format, const models::Label& label,
                             const models::RecordEncoder& encoder)
    : format_(format), encoder_(encoder), used_fields_(encoder.feature_fields()) {
  for (std::size_t f = 0; f < format_.fields.size(); ++f) {
    if (format_.fields[f].name == label.field) used_fields_.push_back(static_cast<int>(f));
  }
}

absl::StatusOr<ParsedText> ExampleParser::Parse(std::string_view records,
                                                std::uint64_t offset) const {
  ParsedText parsed;
  parsed.examples = encoder_.NewBatch();
  Scratch scratch(format_.fields.size());
  while (!records.empty()) {
    DIME_ASSIGN_OR_RETURN(const auto size, records::FramedSize(records));
    DIME_CHECK(size.has_value() && *size <= records.size());
    const std::string_view record = records.substr(0, static_cast<std::size_t>(*size));
    const absl::StatusOr<std::string_view> data = records::FramedData(record);
    if (!data.ok()) {
      return base::Annotate(data.status(), fmt::format("record at byte {}", offset));
    }
    ParseExample(*data, offset, scratch, &parsed);
    ++parsed.num_lines;
    offset += record.size();
    records.remove_prefix(record.size());
  }
  return parsed;
}

void ExampleParser::ParseExample(std::string_view example, std::uint64_t offset, Scratch& scratch,
                                 ParsedText* parsed) const {
  std::string error;
  if (const absl::Status status = scratch.reader.Read(example); !status.ok()) {
    error = base::MessageOf(status);
  } else {
    error = TakeFeatures(scratch);
  }
  if (error.empty()) {
    const auto refused =
        encoder_.AppendValues(scratch.values, models::LabelUse::kRequired, &parsed->examples);
    if (!refused) return;
    error =
        fmt::format("feature '{}': {}",
                    format_.fields[static_cast<std::size_t>(refused->field)].name, refused->reason);
  }
  ++parsed->num_bad_records;
  if (parsed->bad_records.size() >= kMaxBadRecordMessages) return;
  parsed->bad_records.push_back(
      {.line = parsed->num_lines,
       .message = fmt::format("at byte {}: {}", offset, Printable(error, kMaxReasonChars))});
}

// Sorts the features to their fields. Returns what is wrong with one, or "".
std::string ExampleParser::TakeFeatures(Scratch& scratch) const {
  std::ranges::fill(scratch.values, kDefaultValue);
  const auto features = scratch.reader.features();
  scratch.fields_of_last.resize(features.size(), -1);
  for (std::size_t i = 0; i < features.size(); ++i) {
    const int field = FindField(features[i].name, scratch.fields_of_last[i]);
    scratch.fields_of_last[i] = field;
    if (field < 0) continue;
    const auto f = static_cast<std::size_t>(field);
    const std::string error =
        TakeValue(scratch.reader, features[i], format_.fields[f].type, &scratch.values[f]);
    if (!error.empty()) return fmt::format("feature '{}': {}", format_.fields[f].name, error);
  }
  return "";
}

// The position of a field that the model uses, or -1.
int ExampleParser::FindField(std::string_view name, int guess) const {
  const auto is_called = [&](int field) {
    return format_.fields[static_cast<std::size_t>(field)].name == name;
  };
  if (guess >= 0 && is_called(guess)) return guess;
  const auto found = std::ranges::find_if(used_fields_, is_called);
  return found == used_fields_.end() ? -1 : *found;
}

}  // namespace dime::worker
