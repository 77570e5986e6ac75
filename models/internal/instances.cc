#include "models/internal/instances.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "models/internal/feature_columns.h"
#include "models/internal/text.h"
#include "runtime/base/suggest.h"
#include "runtime/records/csv.h"
#include "runtime/records/example.h"

namespace dime::models::internal {
namespace {

// A feature's value, with the memory that FieldValue points into.
struct OwnedValue {
  std::string text;
  std::optional<double> number;
  bool present = false;
  bool is_list = false;
  std::vector<std::string> texts;
  std::vector<double> numbers;
  std::vector<std::int64_t> integers;
};

// Values by field, as RecordEncoder takes them.
using Values = std::vector<OwnedValue>;

std::string_view FieldName(const Model& model, int position) {
  return model.description().input.fields[static_cast<std::size_t>(position)].name;
}

bool IsList(const Model& model, int position) {
  return model.description().input.fields[static_cast<std::size_t>(position)].is_list();
}

bool IsText(const Model& model, int position) {
  return model.description().input.fields[static_cast<std::size_t>(position)].type ==
         FieldType::kString;
}

absl::Status ToStatus(const Model& model, const RecordError& error) {
  const auto num_fields = static_cast<int>(model.description().input.fields.size());
  if (error.field < 0 || error.field >= num_fields) {
    return base::InvalidArgument("{}", error.reason);
  }
  return base::InvalidArgument("feature '{}': {}", FieldName(model, error.field), error.reason);
}

absl::Status AppendValues(const Model& model, const Values& values, Batch* batch) {
  std::vector<FieldValue> views;
  std::vector<std::vector<std::string_view>> texts;
  texts.reserve(values.size());
  for (const OwnedValue& value : values) {
    texts.emplace_back(value.texts.begin(), value.texts.end());
    views.push_back({.text = value.text,
                     .number = value.number,
                     .present = value.present,
                     .is_list = value.is_list,
                     .texts = texts.back(),
                     .numbers = value.numbers,
                     .integers = value.integers});
  }
  const auto error = model.encoder().AppendValues(views, LabelUse::kIgnored, batch);
  return error.has_value() ? ToStatus(model, *error) : absl::OkStatus();
}

// --- JSON

// Takes one instance apart as it is parsed. Every method returns whether to go on; when not,
// status() says why. Nothing nests deeper than a list in the object, so no input costs a deep
// stack.
class JsonInstance {
 public:
  explicit JsonInstance(const Model& model)
      : model_(model), values_(model.description().input.fields.size()) {}

  [[nodiscard]] const absl::Status& status() const { return status_; }
  [[nodiscard]] const Values& values() const { return values_; }

  // What nlohmann's parser calls.
  bool null() { return Refuse("null"); }
  bool boolean(bool value) { return Refuse(value ? "true" : "false"); }
  bool number_integer(std::int64_t value) { return TakeNumber(static_cast<double>(value)); }
  bool number_unsigned(std::uint64_t value) { return TakeNumber(static_cast<double>(value)); }
  bool number_float(double value, const std::string& /*text*/) { return TakeNumber(value); }
  bool string(std::string& value);
  bool binary(std::vector<std::uint8_t>& /*value*/) { return Refuse("binary data"); }
  bool start_object(std::size_t /*size*/);
  bool key(std::string& name);
  bool end_object() { return true; }
  bool start_array(std::size_t /*size*/);
  bool end_array();
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& error);

 private:
  bool Stop(absl::Status status) {
    status_ = std::move(status);
    return false;
  }
  bool StopAtFeature(const std::string& reason) {
    return Stop(base::InvalidArgument("feature '{}': {}", FieldName(model_, field_), reason));
  }
  // A value that no feature can have.
  bool Refuse(std::string_view what);
  // Makes room for the current feature's value.
  bool TakeValue(OwnedValue** value);
  bool TakeNumber(double number);

  const Model& model_;
  Values values_;
  absl::Status status_;
  bool in_object_ = false;
  bool in_list_ = false;
  int field_ = -1;  // Of the key that was read last.
};

bool JsonInstance::start_object(std::size_t /*size*/) {
  if (in_object_) return Refuse("an object");
  in_object_ = true;
  return true;
}

bool JsonInstance::key(std::string& name) {
  const std::vector<int>& features = model_.encoder().feature_fields();
  const auto found = std::ranges::find_if(
      features, [&](int position) { return FieldName(model_, position) == name; });
  if (found == features.end()) {
    std::vector<std::string> names;
    for (const int position : features) names.emplace_back(FieldName(model_, position));
    return Stop(base::InvalidArgument("there is no feature {}{}", Quoted(name),
                                      base::DidYouMean(name, names)));
  }
  if (values_[static_cast<std::size_t>(*found)].present) {
    return Stop(base::InvalidArgument("feature '{}': is there twice", name));
  }
  field_ = *found;
  return true;
}

bool JsonInstance::start_array(std::size_t /*size*/) {
  if (!in_object_ || in_list_) return Refuse("a list");
  in_list_ = true;
  if (IsList(model_, field_)) values_[static_cast<std::size_t>(field_)].present = true;
  return true;
}

bool JsonInstance::end_array() {
  in_list_ = false;
  OwnedValue& value = values_[static_cast<std::size_t>(field_)];
  if (IsList(model_, field_)) value.is_list = true;  // Also where it has no values.
  if (values_[static_cast<std::size_t>(field_)].present) return true;
  return StopAtFeature("is an empty list; one value is expected");
}

bool JsonInstance::parse_error(std::size_t position, const std::string& /*token*/,
                               const nlohmann::json::exception& /*error*/) {
  return Stop(base::InvalidArgument("it is no JSON object; see its byte {}", position));
}

bool JsonInstance::Refuse(std::string_view what) {
  if (!in_object_) {
    return Stop(base::InvalidArgument(
        "it is {}; an object of features is expected: {{\"age\": 25, ...}}", what));
  }
  return StopAtFeature(
      fmt::format("is {}; a {} is expected", what, IsText(model_, field_) ? "string" : "number"));
}

bool JsonInstance::TakeValue(OwnedValue** value) {
  *value = &values_[static_cast<std::size_t>(field_)];
  (*value)->is_list = IsList(model_, field_);
  if ((*value)->present && !(*value)->is_list)
    return StopAtFeature("has several values; one is expected");
  (*value)->present = true;
  return true;
}

bool JsonInstance::TakeNumber(double number) {
  if (!in_object_ || IsText(model_, field_)) return Refuse(fmt::format("the number {}", number));
  OwnedValue* value = nullptr;
  if (!TakeValue(&value)) return false;
  if (value->is_list) {
    value->numbers.push_back(number);
  } else {
    value->number = number;
  }
  return true;
}

bool JsonInstance::string(std::string& text) {
  if (!in_object_ || !IsText(model_, field_)) {
    return Refuse(fmt::format("the string {}", Quoted(text)));
  }
  OwnedValue* value = nullptr;
  if (!TakeValue(&value)) return false;
  if (value->is_list) {
    value->texts.push_back(std::move(text));
  } else {
    value->text = std::move(text);
  }
  return true;
}

// --- tf.Example

// Takes the value of a feature over, or says what is wrong with it.
struct TakeFeature {
  static constexpr std::string_view kIntegers = "an int64_list";
  static constexpr std::string_view kFloats = "a float_list";
  bool is_text;
  bool takes_integers;
  OwnedValue* value;

  absl::Status operator()(const std::vector<std::string>& values) const {
    if (value->is_list) {
      value->texts = values;
      return absl::OkStatus();
    }
    if (values.empty() && is_text) return absl::OkStatus();  // A missing string is "".
    DIME_RETURN_IF_ERROR(CheckOne(values.size()));
    if (!is_text) {
      return base::InvalidArgument("is the string {}; a number is expected", Quoted(values[0]));
    }
    value->text = values[0];
    return absl::OkStatus();
  }

  template <typename Number>
  absl::Status operator()(const std::vector<Number>& values) const {
    constexpr bool kAreIntegers = std::is_same_v<Number, std::int64_t>;
    if (!is_text && kAreIntegers != takes_integers) {  // As the export's parser does.
      return base::InvalidArgument("is {}; {} is expected", kAreIntegers ? kIntegers : kFloats,
                                   takes_integers ? kIntegers : kFloats);
    }
    if (!value->is_list) DIME_RETURN_IF_ERROR(CheckOne(values.size()));
    if constexpr (kAreIntegers) {
      value->integers = values;
    } else {
      value->numbers.assign(values.begin(), values.end());
    }
    if (value->is_list) return absl::OkStatus();
    value->number = static_cast<double>(values[0]);  // The encoder refuses it where text belongs.
    return absl::OkStatus();
  }

  static absl::Status CheckOne(std::size_t size) {
    if (size == 1) return absl::OkStatus();
    return base::InvalidArgument("has {} values; one is expected", size);
  }
};

}  // namespace

absl::Status AppendJsonInstance(const Model& model, std::string_view json, Batch* batch) {
  // The parser takes a NUL for the end, and would pass over all that follows.
  if (const std::size_t nul = json.find('\0'); nul != json.npos) {
    return base::InvalidArgument("it is no JSON object; its byte {} is a NUL", nul + 1);
  }
  JsonInstance instance(model);
  const bool parsed = nlohmann::json::sax_parse(json, &instance);
  if (!instance.status().ok()) return instance.status();
  if (!parsed) return base::InvalidArgument("it is no JSON object");
  return AppendValues(model, instance.values(), batch);
}

absl::Status AppendCsvInstance(const Model& model, std::string_view line, Batch* batch) {
  records::CsvDialect dialect;
  dialect.separator = model.description().input.separator;
  dialect.has_quotes = model.description().input.quoting == Quoting::kRfc4180;
  records::CsvReader reader(line, dialect);
  if (!reader.Next()) return base::InvalidArgument("the line is blank");
  if (!reader.error().empty()) {
    return ToStatus(model, {.field = reader.error_field(), .reason = reader.error()});
  }
  const std::size_t end = reader.offset() + reader.record().size();
  if (line.find_first_not_of("\r\n", end) != line.npos) {
    return base::InvalidArgument("it has more than one line");
  }
  std::vector<std::string_view> fields = reader.fields();
  const ModelDescription& description = model.description();
  const std::size_t num_fields = description.input.fields.size();
  if (fields.size() + 1 == num_fields) {
    fields.insert(fields.begin() + description.FindField(description.label.field), "");
  }
  if (fields.size() != num_fields) {
    return base::InvalidArgument("has {} field{}; {} are expected, or {} without the label '{}'",
                                 fields.size(), fields.size() == 1 ? "" : "s", num_fields,
                                 num_fields - 1, description.label.field);
  }
  const auto error = model.encoder().AppendFields(fields, LabelUse::kIgnored, batch);
  if (error.has_value()) return ToStatus(model, *error);
  return absl::OkStatus();
}

absl::Status AppendExampleInstance(const Model& model, std::string_view example, Batch* batch) {
  absl::StatusOr<records::Example> features = records::ParseExample(example);
  if (!features.ok()) return base::InvalidArgument("{}", base::MessageOf(features.status()));
  Values values(model.description().input.fields.size());
  for (const int position : model.encoder().feature_fields()) {
    OwnedValue& value = values[static_cast<std::size_t>(position)];
    const bool is_text = IsText(model, position);
    const bool takes_integers = IsTakenAsIntegers(
        model.description(), model.description().input.fields[static_cast<std::size_t>(position)]);
    const auto found = features->find(FieldName(model, position));
    value.is_list = IsList(model, position);
    value.present = found != features->end() || is_text || value.is_list;
    if (found == features->end()) continue;
    if (absl::Status status =
            std::visit(TakeFeature{is_text, takes_integers, &value}, found->second);
        !status.ok()) {
      return base::InvalidArgument("feature '{}': {}", found->first, base::MessageOf(status));
    }
  }
  return AppendValues(model, values, batch);
}

}  // namespace dime::models::internal
