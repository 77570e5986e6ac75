#include "worker/input/example_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
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

bool FitsIn32Bits(double number) {
  return number == std::floor(number) && number >= std::numeric_limits<std::int32_t>::min() &&
         number <= std::numeric_limits<std::int32_t>::max();
}

}  // namespace

// Memory that is kept from record to record.
class ExampleParser::Scratch {
 public:
  explicit Scratch(std::size_t num_fields)
      : values(num_fields, kDefaultValue), numbers(num_fields) {}

  ExampleReader reader;
  std::vector<models::FieldValue> values;    // By field.
  std::vector<std::vector<double>> numbers;  // By field: what `values` of lists of floats view.
  // The field that the i-th feature of the record before was, or -1: writers keep an order.
  std::vector<int> fields_of_last;
};

ExampleParser::ExampleParser(const models::InputFormat& format,
                             const models::RecordEncoder& encoder)
    : format_(format), encoder_(encoder), used_fields_(encoder.feature_fields()) {
  const std::vector<int>& more = encoder.label_fields();
  used_fields_.insert(used_fields_.end(), more.begin(), more.end());
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
    error = refused->field < 0
                ? refused->reason
                : fmt::format("feature '{}': {}",
                              format_.fields[static_cast<std::size_t>(refused->field)].name,
                              refused->reason);
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
    const std::string error = TakeFeature(features[i], field, scratch);
    if (!error.empty()) {
      return fmt::format("feature '{}': {}", format_.fields[static_cast<std::size_t>(field)].name,
                         error);
    }
  }
  return "";
}

// Takes the values of a feature for its field. Returns what is wrong with them, or "".
std::string ExampleParser::TakeFeature(const ExampleReader::Feature& feature, int field,
                                       Scratch& scratch) const {
  const auto f = static_cast<std::size_t>(field);
  const models::Field& described = format_.fields[f];
  models::FieldValue& value = scratch.values[f];
  value = kDefaultValue;  // A name may be there twice.
  if (feature.kind == Kind::kNone) return "";
  value.is_list = described.is_list();
  if (!value.is_list && feature.count != 1) {
    return fmt::format("has {} values; one is expected", feature.count);
  }
  if (feature.kind == Kind::kBytes) {
    value.texts = scratch.reader.Bytes(feature);
    if (!value.is_list) value.text = value.texts.front();
    if (described.type == FieldType::kString || feature.count == 0) return "";
    return fmt::format("is the string '{}'; a number is expected",
                       Printable(value.texts.front(), kMaxQuotedChars));
  }
  if (feature.kind == Kind::kIntegers) {
    value.integers = scratch.reader.Integers(feature);
    if (!value.is_list) value.number = static_cast<double>(value.integers.front());
  } else {
    const std::span<const float> floats = scratch.reader.Floats(feature);
    scratch.numbers[f].assign(floats.begin(), floats.end());
    value.numbers = scratch.numbers[f];
    if (!value.is_list) value.number = value.numbers.front();
  }
  // The encoder refuses numbers where text belongs.
  const bool is_checked =
      !value.is_list && described.type == FieldType::kInteger && !encoder_.HoldsIds(field);
  if (!is_checked || FitsIn32Bits(*value.number)) return "";
  return fmt::format("{} is not an integer of 32 bits", *value.number);
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
