#include "models/export/graph_inputs.h"

#include "models/internal/text.h"

namespace dime::models::internal {
namespace {

class InputBuilder {
 public:
  InputBuilder(const Model& model, GraphBuilder* graph)
      : input_(model.description().input), graph_(graph) {
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
  static ValueType RequestType(const Field& field) {
    return IsText(field) ? ValueType::kString : ValueType::kFloat;
  }

  std::string AddReceiver(const std::string& key, ValueType type, std::string node) {
    graph_->Add("Placeholder", node, {}, {{"dtype", type}, {"shape", Shape{kAnySize}}});
    inputs_.receivers.push_back({key, node, type});
    return node;
  }

  // One placeholder a field.
  void AddJson() {
    for (const Field* field : needed_) {
      AddField(*field, AddReceiver(field->name, RequestType(*field), "inputs/" + field->name));
    }
  }

  // Lines with all the fields of a record, the label too (it may be empty).
  void AddCsv() {
    std::vector<std::string> decoder_inputs = {
        AddReceiver("csv_row", ValueType::kString, "csv_row")};
    std::vector<ValueType> types;
    for (const Field& field : input_.fields) {
      Tensor value = DefaultOf(field);
      types.push_back(value.type);
      decoder_inputs.push_back(graph_->AddConst("csv/defaults/" + field.name, value));
    }
    const std::string decoded =
        graph_->Add("DecodeCSV", "csv/DecodeCSV", decoder_inputs,
                    {{"OUT_TYPE", types}, {"field_delim", std::string(1, input_.separator)}});
    for (const Field* field : needed_) {
      const auto position = static_cast<int>(field - input_.fields.data());
      std::string value = GraphBuilder::Output(decoded, position);
      if (field->type == FieldType::kInteger) {
        value = graph_->Add("Cast", "csv/floats/" + field->name, {value},
                            {{"SrcT", ValueType::kInt32}, {"DstT", ValueType::kFloat}});
      }
      AddField(*field, std::move(value));
    }
  }

  // What stands for an empty CSV field.
  static Tensor DefaultOf(const Field& field) {
    if (IsText(field)) return StringTensor({1}, {field.default_value});
    if (field.type == FieldType::kInteger) {
      std::int32_t value = 0;
      return Int32Tensor({1}, {ParseInt32(field.default_value, &value) ? value : 0});
    }
    float value = 0;
    return FloatTensor({1}, {ParseFloat(field.default_value, &value) ? value : 0});
  }

  // Serialised tf.Examples with one value a feature. A string that is missing is an empty one; a
  // number must be there.
  void AddExample() {
    const std::string received = AddReceiver("example_proto", ValueType::kString, "example_proto");
    std::vector<std::string> keys;
    std::vector<std::string> defaults;
    std::vector<ValueType> types;
    for (const Field* field : needed_) {
      keys.push_back(
          graph_->AddConst("example/keys/" + field->name, StringTensor({}, {field->name})));
      // A default without elements means that there is none.
      defaults.push_back(
          graph_->AddConst("example/defaults/" + field->name,
                           IsText(*field) ? StringTensor({}, {""}) : FloatTensor({0}, {})));
      types.push_back(RequestType(*field));
    }
    std::vector<std::string> parser_inputs = {
        received, graph_->AddConst("example/names", StringTensor({0}, {}))};
    parser_inputs.insert(parser_inputs.end(), keys.begin(), keys.end());
    parser_inputs.insert(parser_inputs.end(), defaults.begin(), defaults.end());
    const auto num_keys = static_cast<std::int64_t>(keys.size());
    const std::string parsed = graph_->Add("ParseExample", "example/ParseExample", parser_inputs,
                                           {{"Nsparse", std::int64_t{0}},
                                            {"Ndense", num_keys},
                                            {"sparse_types", std::vector<ValueType>{}},
                                            {"Tdense", types},
                                            {"dense_shapes", std::vector<Shape>(keys.size())}});
    for (std::size_t k = 0; k < needed_.size(); ++k) {
      AddField(*needed_[k], GraphBuilder::Output(parsed, static_cast<int>(k)));
    }
  }

  void AddField(const Field& field, std::string value) {
    if (IsText(field)) value = AddText(field, std::move(value));
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
