#include "models/export/saved_model.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "models/export/graph_builder.h"
#include "models/export/graph_columns.h"
#include "models/export/graph_inputs.h"
#include "models/export/graph_variables.h"
#include "models/export/proto/saved_model.pb.h"
#include "models/internal/feature_columns.h"
#include "runtime/records/parse_message.h"

namespace dime::models {
namespace {

using internal::Attributes;
using internal::GraphBuilder;
using internal::GraphColumns;
using internal::GraphInputs;
using internal::GraphVariable;
using internal::GraphVariables;
using internal::Int32Tensor;
using internal::kAnySize;
using internal::Shape;
using internal::StringTensor;
using internal::ValueType;

// A node's first output, as signatures describe it.
struct Output {
  std::string node;
  ValueType type = ValueType::kFloat;
  Shape shape;
};

// What is computed for each example, by its name in the predict signature.
using Outputs = std::vector<std::pair<std::string, Output>>;
// What each method gives; empty: it has no such signature.
struct PredictionOutputs {
  Outputs predict;
  Outputs classify;
  Outputs regress;
};

const Attributes kFloats = {{"T", ValueType::kFloat}};

// --- Layers

class NetworkBuilder {
 public:
  NetworkBuilder(const ModelDescription& description, const GraphVariables& variables,
                 GraphColumns* columns, GraphBuilder* graph)
      : description_(description), variables_(variables), columns_(columns), graph_(graph) {}

  // [n, logits]
  std::string Logits() {
    const EstimatorKind kind = description_.estimator.kind;
    if (!HasLinearPart(kind)) return DeepLogits();
    if (!HasDnnPart(kind)) return LinearLogits();
    return graph_->Add("Add", "logits", {DeepLogits(), LinearLogits()}, kFloats);
  }

 private:
  std::string BiasAdd(const std::string& name, const std::string& value,
                      const std::string& variable) {
    return graph_->Add("BiasAdd", name, {value, variables_.Read(variable)}, kFloats);
  }

  std::string DeepLogits() {
    std::string value = InputLayer();
    for (std::size_t i = 0; i < description_.estimator.hidden_units.size(); ++i) {
      const std::string layer = "dnn/hiddenlayer_" + std::to_string(i);
      value = graph_->Add("Relu", layer + "/Relu", {DenseLayer(layer, value)}, kFloats);
    }
    return DenseLayer("dnn/logits", value);
  }

  std::string DenseLayer(const std::string& layer, const std::string& input) {
    const std::string product = graph_->Add("MatMul", layer + "/MatMul",
                                            {input, variables_.Read(layer + "/kernel")}, kFloats);
    return BiasAdd(layer + "/BiasAdd", product, layer + "/bias");
  }

  // The columns side by side, in order of their names.
  std::string InputLayer() {
    const std::string& scope = kInputLayer;
    const std::set<std::string> names(description_.estimator.dnn_columns.begin(),
                                      description_.estimator.dnn_columns.end());
    std::vector<std::string> parts;
    for (const std::string& name : names) parts.push_back(DenseColumn(name, scope + name));
    if (parts.size() == 1) return parts.front();
    const auto num_parts = static_cast<std::int64_t>(parts.size());
    parts.push_back(graph_->AddConst(scope + "concat/axis", Int32Tensor({}, {1})));
    return graph_->Add("ConcatV2", scope + "concat", parts,
                       {{"N", num_parts}, {"T", ValueType::kFloat}});
  }

  std::string DenseColumn(const std::string& name, const std::string& scope) {
    const auto& kind = description_.FindColumn(name)->kind;
    if (const auto* indicator = std::get_if<IndicatorColumn>(&kind)) {
      return columns_->OneHot(indicator->source, scope);
    }
    if (const auto* embedding = std::get_if<EmbeddingColumn>(&kind)) {
      const std::string owner = embedding->collection.empty() ? name : embedding->collection;
      const std::string table = kInputLayer + owner + "/embedding_weights";
      return columns_->Rows(embedding->source, TableOf(table), embedding->combiner, scope);
    }
    return columns_->Numbers(name);
  }

  GraphColumns::Table TableOf(const std::string& variable) const {
    return {.rows = variables_.Read(variable), .ids = variables_.ReadIds(variable)};
  }

  std::string LinearLogits() {
    const std::string scope = "linear/linear_model/";
    const std::set<std::string> names(description_.estimator.linear_columns.begin(),
                                      description_.estimator.linear_columns.end());
    std::vector<std::string> terms;
    for (const std::string& name : names) {
      terms.push_back(LinearTerm(name, scope + name));
    }
    const auto num_terms = static_cast<std::int64_t>(terms.size());
    const std::string sum =
        graph_->Add("AddN", scope + "terms", terms, {{"N", num_terms}, {"T", ValueType::kFloat}});
    return BiasAdd(scope + "logits", sum, scope + "bias_weights");
  }

  std::string LinearTerm(const std::string& name, const std::string& scope) {
    const std::string weights = scope + "/weights";
    if (internal::IsCategorical(*description_.FindColumn(name))) {
      return columns_->Rows(name, TableOf(weights), ops::Combiner::kSum, scope);
    }
    return graph_->Add("MatMul", scope + "/MatMul",
                       {columns_->Numbers(name), variables_.Read(weights)}, kFloats);
  }

  const std::string kInputLayer = "dnn/input_from_feature_columns/input_layer/";
  const ModelDescription& description_;
  const GraphVariables& variables_;
  GraphColumns* columns_;
  GraphBuilder* graph_;
};

// --- Head

class HeadBuilder {
 public:
  HeadBuilder(const std::string& logits, const ModelDescription& description, GraphBuilder* graph)
      : logits_(logits), num_classes_(NumClasses(description.label)), graph_(graph) {}

  PredictionOutputs Build() {
    if (num_classes_ == 0) {
      const Output predictions = {logits_, ValueType::kFloat, {kAnySize, 1}};
      return {.predict = {{"predictions", predictions}},
              .classify = {},
              .regress = {{"outputs", predictions}}};
    }
    return num_classes_ == 2 ? TwoClasses() : ManyClasses();
  }

 private:
  PredictionOutputs TwoClasses() {
    const Output logistic = {graph_->Add("Sigmoid", kScope + "logistic", {logits_}, kFloats),
                             ValueType::kFloat,
                             {kAnySize, 1}};
    const std::string zeros = graph_->Add("ZerosLike", kScope + "zeros", {logits_}, kFloats);
    const std::string two_logits =
        graph_->Add("ConcatV2", kScope + "two_class_logits", {zeros, logits_, One()},
                    {{"N", std::int64_t{2}}, {"T", ValueType::kFloat}});
    PredictionOutputs predictions = OfClasses(two_logits);
    predictions.predict.push_back({"logits", {logits_, ValueType::kFloat, {kAnySize, 1}}});
    predictions.predict.push_back({"logistic", logistic});
    predictions.regress = {{"outputs", logistic}};
    return predictions;
  }

  PredictionOutputs ManyClasses() {
    PredictionOutputs predictions = OfClasses(logits_);
    predictions.predict.push_back(
        {"logits", {logits_, ValueType::kFloat, {kAnySize, num_classes_}}});
    return predictions;
  }

  // What any number of classes has; `logits`: one a class.
  PredictionOutputs OfClasses(const std::string& logits) {
    const Output probabilities = {
        graph_->Add("Softmax", kScope + "probabilities", {logits}, kFloats),
        ValueType::kFloat,
        {kAnySize, num_classes_}};
    const std::string largest = graph_->Add("ArgMax", kScope + "ArgMax", {logits, One()}, kFloats);
    const Output class_ids = {graph_->Add("ExpandDims", kScope + "class_ids", {largest, One()},
                                          {{"T", ValueType::kInt64}}),
                              ValueType::kInt64,
                              {kAnySize, 1}};
    const Output classes = {
        graph_->Add("AsString", kScope + "classes", {class_ids.node}, {{"T", ValueType::kInt64}}),
        ValueType::kString,
        {kAnySize, 1}};
    return {.predict = {{"probabilities", probabilities},
                        {"class_ids", class_ids},
                        {"classes", classes}},
            .classify = {{"classes", AllClasses()}, {"scores", probabilities}},
            .regress = {}};
  }

  // The names of all classes for each example: strings [n, classes].
  Output AllClasses() {
    std::vector<std::string> words;
    for (std::int64_t c = 0; c < num_classes_; ++c) words.push_back(std::to_string(c));
    const std::string names =
        graph_->AddConst(kScope + "class_names", StringTensor({1, num_classes_}, words));
    const std::string shape = graph_->Add("Shape", kScope + "shape", {logits_}, kFloats);
    const std::string zero_vector = graph_->AddConst(kScope + "first", Int32Tensor({1}, {0}));
    const std::string one_vector = graph_->AddConst(kScope + "second", Int32Tensor({1}, {1}));
    const std::string size = graph_->Add("Slice", kScope + "size", {shape, zero_vector, one_vector},
                                         {{"T", ValueType::kInt32}, {"Index", ValueType::kInt32}});
    const std::string axis = graph_->AddConst(kScope + "axis", Int32Tensor({}, {0}));
    const std::string multiples =
        graph_->Add("ConcatV2", kScope + "multiples", {size, one_vector, axis},
                    {{"N", std::int64_t{2}}, {"T", ValueType::kInt32}});
    return {graph_->Add("Tile", kScope + "all_classes", {names, multiples},
                        {{"T", ValueType::kString}}),
            ValueType::kString,
            {kAnySize, num_classes_}};
  }

  const std::string& One() {
    if (one_.empty()) one_ = graph_->AddConst(kScope + "one", Int32Tensor({}, {1}));
    return one_;
  }

  const std::string kScope = "head/predictions/";
  const std::string& logits_;
  const std::int64_t num_classes_;
  GraphBuilder* graph_;
  std::string one_;
};

// --- Signatures and collections

constexpr char kMethodPrefix[] = "tensorflow/serving/";

struct MethodName {
  std::string name;
  SignatureMethod method;
};
const MethodName kMethodNames[] = {{"predict", SignatureMethod::kPredict},
                                   {"classify", SignatureMethod::kClassify},
                                   {"regress", SignatureMethod::kRegress}};

proto::TensorInfo ToTensorInfo(const Output& output) {
  proto::TensorInfo info;
  info.set_name(output.node + ":0");
  info.set_dtype(static_cast<records::proto::DataType>(output.type));
  info.mutable_tensor_shape();
  for (const std::int64_t size : output.shape) {
    info.mutable_tensor_shape()->add_dim()->set_size(size);
  }
  return info;
}

proto::SignatureDef MakeSignature(const std::string& method, const Outputs& inputs,
                                  const Outputs& outputs) {
  proto::SignatureDef signature;
  signature.set_method_name(kMethodPrefix + method);
  for (const auto& [key, value] : inputs) (*signature.mutable_inputs())[key] = ToTensorInfo(value);
  for (const auto& [key, value] : outputs) {
    (*signature.mutable_outputs())[key] = ToTensorInfo(value);
  }
  return signature;
}

void AddSignatures(ExportFormat format, const GraphInputs& inputs,
                   const PredictionOutputs& predictions, proto::MetaGraphDef* meta_graph) {
  auto& signatures = *meta_graph->mutable_signature_def();
  Outputs receivers;
  for (const internal::Receiver& receiver : inputs.receivers) {
    receivers.push_back({receiver.key, {receiver.node, receiver.type, receiver.shape}});
  }
  signatures["predict"] = MakeSignature("predict", receivers, predictions.predict);
  // The other methods take one tensor of serialised records.
  if (format == ExportFormat::kJson) {
    signatures["serving_default"] = signatures["predict"];
    return;
  }
  const Outputs strings = {{"inputs", receivers.front().second}};
  if (!predictions.regress.empty()) {
    signatures["regression"] = MakeSignature("regress", strings, predictions.regress);
    signatures["serving_default"] = signatures["regression"];
  }
  if (!predictions.classify.empty()) {
    signatures["classification"] = MakeSignature("classify", strings, predictions.classify);
    signatures["serving_default"] = signatures["classification"];
  }
}

// What Python needs to know the graph's variables as such.
void AddVariableCollections(const GraphVariables& variables, proto::MetaGraphDef* meta_graph) {
  auto& collections = *meta_graph->mutable_collection_def();
  for (const GraphVariable& variable : variables.all()) {
    proto::VariableDef definition;
    definition.set_variable_name(variable.name + ":0");
    definition.set_initializer_name(variable.initializer);
    definition.set_snapshot_name(variable.read + ":0");
    definition.set_initial_value_name(variable.initial_value + ":0");
    definition.set_is_resource(true);
    definition.set_trainable(variable.is_trainable);
    const std::string bytes = definition.SerializeAsString();
    collections["variables"].mutable_bytes_list()->add_value(bytes);
    const char* const kind = variable.is_trainable ? "trainable_variables" : "global_step";
    collections[kind].mutable_bytes_list()->add_value(bytes);
  }
}

void AddSaver(const internal::GraphSaver& saver, proto::SaverDef* definition) {
  definition->set_filename_tensor_name(saver.file_name + ":0");
  definition->set_save_tensor_name(saver.save + ":0");
  definition->set_restore_op_name(saver.restore);
  definition->set_max_to_keep(5);
  definition->set_version(proto::SaverDef::V2);
}

void AddMainOp(const std::vector<std::string>& initializers, GraphBuilder* graph,
               proto::MetaGraphDef* meta_graph) {
  std::vector<std::string> conditions;
  for (const std::string& node : initializers) conditions.push_back(GraphBuilder::After(node));
  const std::string main_op = graph->Add("NoOp", "init_all_tables", conditions);
  (*meta_graph->mutable_collection_def())["saved_model_main_op"].mutable_node_list()->add_value(
      main_op);
}

std::string Serialize(const proto::SavedModel& saved_model) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);  // Maps in order of their keys.
  saved_model.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

struct FormatName {
  std::string_view name;
  ExportFormat format;
};
constexpr FormatName kFormatNames[] = {{"JSON", ExportFormat::kJson},
                                       {"CSV", ExportFormat::kCsv},
                                       {"EXAMPLE", ExportFormat::kExample}};

}  // namespace

absl::StatusOr<ExportFormat> ParseExportFormat(std::string_view name) {
  const auto* const found = std::ranges::find(kFormatNames, name, &FormatName::name);
  if (found != std::end(kFormatNames)) return found->format;
  return base::InvalidArgument("'{}' is no export format; use JSON, CSV or EXAMPLE", name);
}

std::string_view ExportFormatName(ExportFormat format) {
  return std::ranges::find(kFormatNames, format, &FormatName::format)->name;
}

absl::Status CheckExport(const ModelDescription& description, ExportFormat format) {
  const InputFormat& input = description.input;
  if (format != ExportFormat::kCsv || input.missing_values.empty()) return absl::OkStatus();
  if (input.missing_values.size() == 1 && !input.trim_blanks) return absl::OkStatus();
  return base::InvalidArgument(
      "the model cannot be exported for CSV: TensorFlow takes one missing value, compared with its "
      "blanks, but the model's input has {} in missing_values{}; export it as JSON or EXAMPLE",
      input.missing_values.size(), input.trim_blanks ? " and trim_blanks" : "");
}

std::string BuildSavedModel(const Model& model, ExportFormat format) {
  GraphBuilder graph;
  const GraphVariables variables(model.tables(), &graph);
  const GraphInputs inputs = internal::AddInputs(model, format, &graph);
  GraphColumns columns(model.description(), inputs, &graph);
  const std::string logits =
      NetworkBuilder(model.description(), variables, &columns, &graph).Logits();
  const PredictionOutputs predictions = HeadBuilder(logits, model.description(), &graph).Build();

  proto::SavedModel saved_model;
  saved_model.set_saved_model_schema_version(1);
  proto::MetaGraphDef& meta_graph = *saved_model.add_meta_graphs();
  meta_graph.mutable_meta_info_def()->add_tags("serve");
  meta_graph.mutable_meta_info_def()->set_stripped_default_attrs(true);
  AddMainOp(columns.initializers(), &graph, &meta_graph);
  AddSaver(variables.saver(), meta_graph.mutable_saver_def());
  AddVariableCollections(variables, &meta_graph);
  AddSignatures(format, inputs, predictions, &meta_graph);
  *meta_graph.mutable_graph_def() = graph.TakeGraph();
  return Serialize(saved_model);
}

absl::StatusOr<std::map<std::string, SignatureMethod>> ReadSignatures(
    std::string_view saved_model) {
  proto::SavedModel parsed;
  if (!records::ParseMessage(saved_model, &parsed) || parsed.meta_graphs().empty()) {
    return base::DataLoss("is no SavedModel");
  }
  std::map<std::string, SignatureMethod> methods;
  for (const auto& [name, signature] : parsed.meta_graphs(0).signature_def()) {
    const std::string& wanted = signature.method_name();
    const auto* const known = std::ranges::find_if(
        kMethodNames,
        [&wanted](const MethodName& method) { return wanted == kMethodPrefix + method.name; });
    if (known == std::end(kMethodNames)) {
      return base::DataLoss("its signature '{}' has the unknown method '{}'", name,
                            signature.method_name());
    }
    methods[name] = known->method;
  }
  return methods;
}

}  // namespace dime::models
