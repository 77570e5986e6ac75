#include "models/export/graph_inputs.h"

#include "models/internal/feature_columns.h"
#include "models/internal/text.h"

namespace dime::models::internal {
namespace {

class InputBuilder {
 public:
  InputBuilder(const Model& model, GraphBuilder* graph)
      : description_(model.description()), input_(description_.input), graph_(graph) {
    for (const int position : model.encoder().feature_fields()) {
      needed_.push_back(&input_.fields[static_cast<std::size_t>(position)]);
    }
  }

  GraphInputs Build(ExportFormat format) {
    switch (format) {
      case ExportFormat::kJson:
        AddJson();
        break;
      case ExportFormat::kCsv:
        AddCsv();
        break;
      case ExportFormat::kExample:
        AddExample();
        break;
    }
    return std::move(inputs_);
  }

 private:
  static bool IsText(const Field& field) { return field.type == FieldType::kString; }
  [[nodiscard]] ValueType TypeOf(const Field& field) const {
    if (IsText(field)) return ValueType::kString;
    return IsTakenAsIntegers(description_, field) ? ValueType::kInt64 : ValueType::kFloat;
  }
  static Shape ShapeOf(const Field& field) {
    if (!field.is_list()) return {kAnySize};
    return {kAnySize, field.num_values == 0 ? kAnySize : field.num_values};
  }
  // What fills up a short list.
  static Tensor Filler(ValueType type) {
    if (type == ValueType::kString) return StringTensor({}, {""});
    return type == ValueType::kInt64 ? Int64Tensor({}, {-1}) : FloatTensor({}, {0});
  }

  std::string AddReceiver(const std::string& key, ValueType type, const Shape& shape,
                          std::string node) {
    graph_->Add("Placeholder", node, {}, {{"dtype", type}, {"shape", shape}});
    inputs_.receivers.push_back({key, node, type, shape});
    return node;
  }

  // One placeholder a field.
  void AddJson() {
    for (const Field* field : needed_) {
      AddField(*field,
               AddReceiver(field->name, TypeOf(*field), ShapeOf(*field), "inputs/" + field->name));
    }
  }

  // Lines with all the fields of a record, the label too (it may be empty).
  void AddCsv() {
    std::vector<std::string> decoder_inputs = {
        AddReceiver("csv_row", ValueType::kString, {kAnySize}, "csv_row")};
    std::vector<ValueType> types;
    for (const Field& field : input_.fields) {
      Tensor value = DefaultOf(field);
      types.push_back(value.type);
      decoder_inputs.push_back(graph_->AddConst("csv/defaults/" + field.name, value));
    }
    Attributes attributes = {{"OUT_TYPE", types},
                             {"field_delim", std::string(1, input_.separator)}};
    if (input_.quoting == Quoting::kNone) attributes.emplace_back("use_quote_delim", false);
    if (!input_.missing_values.empty()) {
      attributes.emplace_back("na_value",
                              input_.missing_values.front());  // CheckExport() wants one.
    }
    const std::string decoded =
        graph_->Add("DecodeCSV", "csv/DecodeCSV", decoder_inputs, attributes);
    for (const Field* field : needed_) {
      const auto position = static_cast<int>(field - input_.fields.data());
      std::string value = GraphBuilder::Output(decoded, position);
      if (field->is_list()) {
        value = SplitText(*field, value);
      } else if (types[static_cast<std::size_t>(position)] == ValueType::kInt32) {
        value = ToFloats("csv/floats/" + field->name, value, ValueType::kInt32);
      }
      AddField(*field, std::move(value));
    }
  }

  // What stands for an empty CSV field.
  [[nodiscard]] Tensor DefaultOf(const Field& field) const {
    if (field.is_list()) return StringTensor({1}, {DefaultList(field)});
    if (IsText(field)) return StringTensor({1}, {field.default_value});
    if (field.type == FieldType::kInteger) {
      std::int32_t value = 0;
      if (!ParseInt32(field.default_value, &value)) value = 0;
      return TypeOf(field) == ValueType::kInt64 ? Int64Tensor({1}, {value})
                                                : Int32Tensor({1}, {value});
    }
    float value = 0;
    return FloatTensor({1}, {ParseFloat(field.default_value, &value) ? value : 0});
  }

  static std::string DefaultList(const Field& field) {
    std::string list;
    for (std::int64_t i = 0; i < field.num_values; ++i) {
      if (i > 0) list += field.value_separator;
      list += field.default_value;
    }
    return list;
  }

  std::string ToFloats(const std::string& name, const std::string& value, ValueType from) {
    return graph_->Add("Cast", name, {value}, {{"SrcT", from}, {"DstT", ValueType::kFloat}});
  }

  // Texts of separated values [n] as values [n, most of an example].
  std::string SplitText(const Field& field, const std::string& text) {
    const std::string scope = "csv/lists/" + field.name;
    const std::string separator = graph_->AddConst(
        scope + "/separator", StringTensor({}, {std::string(1, field.value_separator)}));
    const std::string split = graph_->Add("StringSplitV2", scope + "/split", {text, separator});
    std::string indices = split;
    std::string values = GraphBuilder::Output(split, 1);
    if (input_.trim_blanks || !IsText(field)) {
      values = graph_->Add("StringStrip", scope + "/trimmed", {values});
    }
    if (!IsText(field)) DropEmpty(scope, &indices, &values);
    const ValueType type = TypeOf(field);
    if (!IsText(field)) {
      values = graph_->Add("StringToNumber", scope + "/numbers", {values}, {{"out_type", type}});
    }
    return ToDense(scope, indices, values, GraphBuilder::Output(split, 2), type);
  }

  // An empty list is split into one empty value, which is no number.
  void DropEmpty(const std::string& scope, std::string* indices, std::string* values) {
    const std::string empty = graph_->AddConst(scope + "/empty", StringTensor({}, {""}));
    const std::string is_value =
        graph_->Add("NotEqual", scope + "/is_value", {*values, empty}, {{"T", ValueType::kString}});
    const std::string vector = graph_->AddConst(scope + "/vector", Int32Tensor({1}, {-1}));
    const std::string kept = graph_->Add(
        "Reshape", scope + "/kept",
        {graph_->Add("Where", scope + "/where", {is_value}, {{"T", ValueType::kBool}}), vector},
        {{"T", ValueType::kInt64}});
    const std::string axis = graph_->AddConst(scope + "/axis", Int32Tensor({}, {0}));
    const auto gather = [&](const std::string& name, const std::string& from, ValueType type) {
      return graph_->Add(
          "GatherV2", scope + name, {from, kept, axis},
          {{"Tparams", type}, {"Tindices", ValueType::kInt64}, {"Taxis", ValueType::kInt32}});
    };
    *indices = gather("/kept_indices", *indices, ValueType::kInt64);
    *values = gather("/kept_values", *values, ValueType::kString);
  }

  std::string ToDense(const std::string& scope, const std::string& indices,
                      const std::string& values, const std::string& shape, ValueType type) {
    return graph_->Add("SparseToDense", scope + "/dense",
                       {indices, shape, values, graph_->AddConst(scope + "/filler", Filler(type))},
                       {{"T", type}, {"Tindices", ValueType::kInt64}});
  }

  // Serialised tf.Examples. A string that is missing is an empty one, a list of any length that is
  // missing has no values; a number must be there.
  void AddExample() {
    const std::string received =
        AddReceiver("example_proto", ValueType::kString, {kAnySize}, "example_proto");
    std::vector<const Field*> lists;
    std::vector<const Field*> others;
    for (const Field* field : needed_) (field->num_values == 0 ? lists : others).push_back(field);
    std::vector<std::string> parser_inputs = {
        received, graph_->AddConst("example/names", StringTensor({0}, {}))};
    std::vector<ValueType> list_types;
    std::vector<ValueType> types;
    std::vector<Shape> shapes;
    for (const Field* field : lists) {
      parser_inputs.push_back(AddExampleKey(*field));
      list_types.push_back(TypeOf(*field));
    }
    for (const Field* field : others) {
      parser_inputs.push_back(AddExampleKey(*field));
      types.push_back(TypeOf(*field));
      shapes.push_back(field->is_list() ? Shape{field->num_values} : Shape{});
    }
    for (const Field* field : others) parser_inputs.push_back(AddExampleDefault(*field));
    const std::string parsed = graph_->Add("ParseExample", "example/ParseExample", parser_inputs,
                                           {{"Nsparse", static_cast<std::int64_t>(lists.size())},
                                            {"Ndense", static_cast<std::int64_t>(others.size())},
                                            {"sparse_types", list_types},
                                            {"Tdense", types},
                                            {"dense_shapes", shapes}});
    // Its outputs: the lists' indices, values and shapes, and then the others' values.
    const auto num_lists = static_cast<int>(lists.size());
    for (int l = 0; l < num_lists; ++l) {
      const Field& field = *lists[static_cast<std::size_t>(l)];
      AddField(field, ToDense("example/lists/" + field.name, GraphBuilder::Output(parsed, l),
                              GraphBuilder::Output(parsed, num_lists + l),
                              GraphBuilder::Output(parsed, 2 * num_lists + l), TypeOf(field)));
    }
    for (std::size_t k = 0; k < others.size(); ++k) {
      AddField(*others[k], GraphBuilder::Output(parsed, 3 * num_lists + static_cast<int>(k)));
    }
  }

  std::string AddExampleKey(const Field& field) {
    return graph_->AddConst("example/keys/" + field.name, StringTensor({}, {field.name}));
  }

  // A default without elements means that there is none.
  std::string AddExampleDefault(const Field& field) {
    const ValueType type = TypeOf(field);
    return graph_->AddConst("example/defaults/" + field.name,
                            type == ValueType::kString  ? StringTensor({}, {""})
                            : type == ValueType::kInt64 ? Int64Tensor({0}, {})
                                                        : FloatTensor({0}, {}));
  }

  void AddField(const Field& field, std::string value) {
    if (IsText(field)) value = AddText(field, std::move(value));
    if (TypeOf(field) == ValueType::kInt64) {
      inputs_.integers.emplace(field.name, value);
      value = ToFloats("fields/" + field.name + "/floats", value, ValueType::kInt64);
    }
    inputs_.fields.emplace(field.name, std::move(value));
  }

  std::string AddText(const Field& field, std::string text) {
    const std::string scope = "fields/" + field.name;
    std::string_view default_value = field.default_value;
    if (input_.trim_blanks) {
      text = graph_->Add("StringStrip", scope + "/trimmed", {text});
      default_value = Trimmed(default_value);
    }
    if (default_value.empty()) return text;
    const std::string empty = graph_->AddConst(scope + "/empty", StringTensor({}, {""}));
    const std::string is_empty =
        graph_->Add("Equal", scope + "/is_empty", {text, empty}, {{"T", ValueType::kString}});
    const std::string size =
        graph_->Add("Shape", scope + "/size", {text}, {{"T", ValueType::kString}});
    const std::string value =
        graph_->AddConst(scope + "/default_value", StringTensor({}, {std::string(default_value)}));
    const std::string values =
        graph_->Add("Fill", scope + "/default_values", {size, value}, {{"T", ValueType::kString}});
    return graph_->Add("Select", scope + "/filled", {is_empty, values, text},
                       {{"T", ValueType::kString}});
  }

  const ModelDescription& description_;
  const InputFormat& input_;
  GraphBuilder* graph_;
  std::vector<const Field*> needed_;
  GraphInputs inputs_;
};

}  // namespace

GraphInputs AddInputs(const Model& model, ExportFormat format, GraphBuilder* graph) {
  return InputBuilder(model, graph).Build(format);
}

}  // namespace dime::models::internal
