#include "models/internal/input_page.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/internal/column_page.h"
#include "models/internal/text.h"

namespace dime::models::internal {
namespace {

constexpr std::int64_t kMaxHeaderLines = 1000;
constexpr std::size_t kMaxMissingValues = 100;
constexpr std::int64_t kMaxFieldValues = 1 << 16;
constexpr std::int64_t kMaxClasses = 1 << 20;  // A float holds each number.
constexpr Choice<FieldType> kFieldTypes[] = {
    {"integer", FieldType::kInteger}, {"float", FieldType::kFloat}, {"string", FieldType::kString}};
constexpr Choice<FileFormat> kFileFormats[] = {{"detected", FileFormat::kDetected},
                                               {"csv", FileFormat::kCsv},
                                               {"tfrecord", FileFormat::kTfRecord}};
constexpr Choice<Quoting> kQuotings[] = {{"rfc4180", Quoting::kRfc4180}, {"none", Quoting::kNone}};

absl::Status ReadSeparator(const YamlNode* node, char* separator) {
  if (node == nullptr) return absl::OkStatus();
  std::string text;
  DIME_RETURN_IF_ERROR(ReadText(node, &text));
  const auto is_part_of_a_value = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '"' ||
           c == '.' || c == '+' || c == '-';
  };
  const bool is_good = text.size() == 1 && !is_part_of_a_value(text[0]) &&
                       (text[0] == '\t' || (text[0] >= ' ' && text[0] <= '~'));
  if (!is_good) {
    return node->Error("{} is no separator; one character is expected, such as \",\" or \"\\t\"",
                       Quoted(text));
  }
  *separator = text[0];
  return absl::OkStatus();
}

absl::Status CheckDefault(const YamlNode& node, const Field& field) {
  std::int32_t integer = 0;
  float number = 0;
  if (field.type == FieldType::kInteger && !ParseInt32(field.default_value, &integer)) {
    return node.Error("{} is not an integer of 32 bits", Quoted(field.default_value));
  }
  if (field.type == FieldType::kFloat &&
      !(ParseFloat(field.default_value, &number) && std::isfinite(number))) {
    return node.Error("{} is not a finite number", Quoted(field.default_value));
  }
  return absl::OkStatus();
}

// `values: any` or `values: 3`, and what separates them.
absl::Status ReadFieldValues(const YamlNode& node, const InputFormat& input, Field* field) {
  const YamlNode* const values = node.Find("values");
  const YamlNode* const separator = node.Find("value_separator");
  if (values != nullptr) {
    field->num_values = 0;
    const bool is_any = values->kind == YamlNode::Kind::kText && values->text == "any";
    if (!is_any) {
      DIME_RETURN_IF_ERROR(ReadInteger(values, 1, kMaxFieldValues, &field->num_values));
    }
    if (field->num_values > 1 && field->type == FieldType::kString) {
      return values->Error("is {}; a field of strings has one value, or `any` number of them",
                           field->num_values);
    }
  }
  DIME_RETURN_IF_ERROR(ReadSeparator(separator, &field->value_separator));
  if (separator != nullptr && !field->is_list()) {
    return separator->Error("is there, but the field has one value; `values: any` makes it a list");
  }
  if (field->is_list() && field->value_separator == input.separator) {
    return (separator == nullptr ? node : *separator)
        .Error("'{}' separates the fields already", input.separator);
  }
  return absl::OkStatus();
}

absl::Status ReadField(const YamlNode& node, const InputFormat& input, Field* field) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"name", "type"}, {"default", "values", "value_separator"}));
  const YamlNode& name = *node.Find("name");
  DIME_RETURN_IF_ERROR(ReadText(&name, &field->name));
  DIME_RETURN_IF_ERROR(CheckName(name, field->name));
  DIME_RETURN_IF_ERROR(ReadChoice(node.Find("type"), kFieldTypes, &field->type));
  DIME_RETURN_IF_ERROR(ReadFieldValues(node, input, field));
  const YamlNode* const default_value = node.Find("default");
  if (field->num_values == 0) {
    if (default_value == nullptr) return absl::OkStatus();
    return default_value->Error("is there, but an empty list of any length has no values");
  }
  if (default_value == nullptr) {
    if (field->type != FieldType::kString) field->default_value = '0';
    return absl::OkStatus();
  }
  DIME_RETURN_IF_ERROR(ReadText(default_value, &field->default_value));
  return CheckDefault(*default_value, *field);
}

absl::Status ReadMissingValues(const YamlNode* node, std::vector<std::string>* values) {
  if (node == nullptr) return absl::OkStatus();
  DIME_RETURN_IF_ERROR(ReadTexts(node, values));
  if (values->size() > kMaxMissingValues) {
    return node->Error("has {} values; at most {} are allowed", values->size(), kMaxMissingValues);
  }
  std::erase(*values, "");  // An empty field is always a missing value.
  std::ranges::sort(*values);
  values->erase(std::unique(values->begin(), values->end()), values->end());
  return absl::OkStatus();
}

absl::Status ReadWeightField(const YamlNode* node, ModelDescription* description) {
  if (node == nullptr) return absl::OkStatus();
  std::string& name = description->label.weight_field;
  DIME_RETURN_IF_ERROR(ReadText(node, &name));
  const int position = description->FindField(name);
  if (position < 0) {
    std::vector<std::string> known;
    for (const Field& candidate : description->input.fields) known.push_back(candidate.name);
    return UnknownName(*node, "field", name, known);
  }
  const Field& field = description->input.fields[static_cast<std::size_t>(position)];
  if (name == description->label.field) return node->Error("'{}' is the label itself", name);
  if (field.type != FieldType::kString && !field.is_list()) return absl::OkStatus();
  return node->Error("'{}' is no number; a weight is one number, 0 or above", name);
}

YamlNode WriteField(const Field& field) {
  YamlNode node = YamlNode::Map();
  node.Add("name", YamlNode::Text(field.name))
      .Add("type", YamlNode::Text(std::string(ChoiceName(kFieldTypes, field.type))));
  if (field.num_values > 0) node.Add("default", YamlNode::Text(field.default_value));
  if (!field.is_list()) return node;
  const bool is_any = field.num_values == 0;
  node.Add("values", YamlNode::Text(is_any ? "any" : fmt::format("{}", field.num_values)))
      .Add("value_separator", YamlNode::Text(std::string(1, field.value_separator)));
  return node;
}

}  // namespace

absl::Status ReadInput(const YamlNode& node, InputFormat* input) {
  DIME_RETURN_IF_ERROR(CheckKeys(
      node, {"fields"},
      {"format", "separator", "header_lines", "quoting", "trim_blanks", "missing_values"}));
  DIME_RETURN_IF_ERROR(ReadChoice(node.Find("format"), kFileFormats, &input->file_format));
  DIME_RETURN_IF_ERROR(ReadSeparator(node.Find("separator"), &input->separator));
  std::int64_t header_lines = 0;
  DIME_RETURN_IF_ERROR(ReadInteger(node.Find("header_lines"), 0, kMaxHeaderLines, &header_lines));
  input->header_lines = static_cast<int>(header_lines);
  DIME_RETURN_IF_ERROR(ReadBool(node.Find("trim_blanks"), &input->trim_blanks));
  DIME_RETURN_IF_ERROR(ReadChoice(node.Find("quoting"), kQuotings, &input->quoting));
  DIME_RETURN_IF_ERROR(ReadMissingValues(node.Find("missing_values"), &input->missing_values));
  const YamlNode& fields = *node.Find("fields");
  if (fields.kind != YamlNode::Kind::kList || fields.children.empty()) {
    return fields.Error("a list of fields is expected: - {{name: age, type: integer}}");
  }
  std::set<std::string> names;
  for (const YamlNode& item : fields.children) {
    Field& field = input->fields.emplace_back();
    DIME_RETURN_IF_ERROR(ReadField(item, *input, &field));
    if (!names.insert(field.name).second) {
      return item.Error("there is a field '{}' already; names are unique", field.name);
    }
  }
  return absl::OkStatus();
}

absl::Status ReadLabel(const YamlNode& node, ModelDescription* description) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"field"}, {"vocabulary", "num_classes", "weight_field"}));
  Label& label = description->label;
  const YamlNode& field = *node.Find("field");
  DIME_RETURN_IF_ERROR(ReadText(&field, &label.field));
  const int position = description->FindField(label.field);
  if (position < 0) {
    std::vector<std::string> known;
    for (const Field& candidate : description->input.fields) known.push_back(candidate.name);
    return UnknownName(field, "field", label.field, known);
  }
  DIME_RETURN_IF_ERROR(ReadWeightField(node.Find("weight_field"), description));
  const YamlNode* const vocabulary = node.Find("vocabulary");
  const YamlNode* const num_classes = node.Find("num_classes");
  const FieldType type = description->input.fields[static_cast<std::size_t>(position)].type;
  if (description->input.fields[static_cast<std::size_t>(position)].is_list()) {
    return field.Error("'{}' is a list; a label is one value", label.field);
  }
  if (vocabulary != nullptr && num_classes != nullptr) {
    return num_classes->Error("the vocabulary says already how many classes there are");
  }
  if (vocabulary == nullptr && type == FieldType::kString) {
    return field.Error("'{}' is a string: the key 'vocabulary' has to list its classes",
                       label.field);
  }
  if (num_classes != nullptr) {
    if (type != FieldType::kInteger) {
      return field.Error("'{}' is no integer; with num_classes it holds 0, 1, ...", label.field);
    }
    return ReadInteger(num_classes, 2, kMaxClasses, &label.num_classes);
  }
  if (vocabulary == nullptr) return absl::OkStatus();
  if (type != FieldType::kString) {
    return field.Error("'{}' is a number; a label with a vocabulary is read from a string field",
                       label.field);
  }
  DIME_RETURN_IF_ERROR(ReadVocabulary(*vocabulary, &label.vocabulary));
  if (label.vocabulary.size() < 2) {
    return vocabulary->Error("has 1 class; two or more are expected");
  }
  return absl::OkStatus();
}

YamlNode WriteInput(const InputFormat& input) {
  std::vector<YamlNode> fields;
  for (const Field& field : input.fields) fields.push_back(WriteField(field));
  YamlNode page = YamlNode::Map()
                      .Add("separator", YamlNode::Text(std::string(1, input.separator)))
                      .Add("header_lines", YamlNode::Text(fmt::format("{}", input.header_lines)))
                      .Add("trim_blanks", YamlNode::Text(input.trim_blanks ? "true" : "false"));
  const auto add_choice = [&](std::string_view key, std::string_view choice) {
    page.Add(key, YamlNode::Text(std::string(choice)));
  };
  // What is rarely given is left out, so that older programs read the pages that do without.
  if (input.file_format != FileFormat::kDetected) {
    add_choice("format", ChoiceName(kFileFormats, input.file_format));
  }
  if (input.quoting != Quoting::kRfc4180) {
    add_choice("quoting", ChoiceName(kQuotings, input.quoting));
  }
  if (!input.missing_values.empty()) {
    page.Add("missing_values", YamlNode::TextList(input.missing_values));
  }
  page.Add("fields", YamlNode::List(std::move(fields)));
  return page;
}

YamlNode WriteLabel(const Label& label) {
  YamlNode node = YamlNode::Map().Add("field", YamlNode::Text(label.field));
  if (!label.vocabulary.empty()) node.Add("vocabulary", YamlNode::TextList(label.vocabulary));
  if (label.num_classes > 0) {
    node.Add("num_classes", YamlNode::Text(fmt::format("{}", label.num_classes)));
  }
  if (!label.weight_field.empty()) node.Add("weight_field", YamlNode::Text(label.weight_field));
  return node;
}

}  // namespace dime::models::internal
