#include "models/export/saved_model.h"

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <string>

#include "models/export/proto/saved_model.pb.h"
#include "models/model.h"
#include "tests/support/status_matchers.h"
#include "tests/worker/small_census.h"

namespace dime::models {
namespace {

using ::dime::testing::SmallCensus;
using ::dime::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr ExportFormat kFormats[] = {ExportFormat::kJson, ExportFormat::kCsv,
                                     ExportFormat::kExample};

proto::MetaGraphDef Build(ExportFormat format) {
  proto::SavedModel saved_model;
  EXPECT_TRUE(saved_model.ParseFromString(BuildSavedModel(Model(SmallCensus()), format)));
  EXPECT_EQ(saved_model.saved_model_schema_version(), 1);
  EXPECT_EQ(saved_model.meta_graphs_size(), 1);
  return saved_model.meta_graphs(0);
}

std::map<std::string, proto::NodeDef> NodesOf(const proto::MetaGraphDef& meta_graph) {
  std::map<std::string, proto::NodeDef> nodes;
  for (const proto::NodeDef& node : meta_graph.graph_def().node()) nodes[node.name()] = node;
  return nodes;
}

// "^node" and "node:1" as "node".
std::string NodeOf(std::string input) {
  if (input.starts_with('^')) input.erase(0, 1);
  return input.substr(0, input.find(':'));
}

std::set<std::string> KeysOf(const google::protobuf::Map<std::string, proto::TensorInfo>& tensors) {
  std::set<std::string> keys;
  for (const auto& [key, info] : tensors) keys.insert(key);
  return keys;
}

TEST(SavedModelTest, FormatNamesComeBack) {
  for (const ExportFormat format : kFormats) {
    ASSERT_OK_AND_ASSIGN(const ExportFormat again, ParseExportFormat(ExportFormatName(format)));
    EXPECT_EQ(again, format);
  }
  EXPECT_THAT(ParseExportFormat("json"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("JSON, CSV or EXAMPLE")));
}

TEST(SavedModelTest, WhatTensorFlowsCsvDecoderCannotReadIsNoCsvExport) {
  ModelDescription description = SmallCensus();
  for (const ExportFormat format : kFormats) EXPECT_OK(CheckExport(description, format));
  description.input.missing_values = {"NA"};
  for (const ExportFormat format : kFormats) EXPECT_OK(CheckExport(description, format));
  const auto is_refused = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("missing_values"));
  description.input.trim_blanks = true;
  EXPECT_THAT(CheckExport(description, ExportFormat::kCsv), is_refused);
  description.input.trim_blanks = false;
  description.input.missing_values = {"NA", "NULL"};
  EXPECT_THAT(CheckExport(description, ExportFormat::kCsv), is_refused);
  EXPECT_OK(CheckExport(description, ExportFormat::kJson));
}

TEST(SavedModelTest, SignaturesComeBack) {
  const std::string json = BuildSavedModel(Model(SmallCensus()), ExportFormat::kJson);
  ASSERT_OK_AND_ASSIGN(const auto of_json, ReadSignatures(json));
  EXPECT_THAT(of_json, UnorderedElementsAre(Pair("predict", SignatureMethod::kPredict),
                                            Pair("serving_default", SignatureMethod::kPredict)));
  const std::string csv = BuildSavedModel(Model(SmallCensus()), ExportFormat::kCsv);
  ASSERT_OK_AND_ASSIGN(const auto of_csv, ReadSignatures(csv));
  EXPECT_THAT(of_csv, UnorderedElementsAre(Pair("predict", SignatureMethod::kPredict),
                                           Pair("serving_default", SignatureMethod::kClassify),
                                           Pair("classification", SignatureMethod::kClassify),
                                           Pair("regression", SignatureMethod::kRegress)));
  EXPECT_THAT(ReadSignatures(json.substr(0, json.size() / 2)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no SavedModel")));
  EXPECT_THAT(ReadSignatures(""), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("SavedModel")));
}

TEST(SavedModelTest, BytesAreTheSameEachTime) {
  for (const ExportFormat format : kFormats) {
    EXPECT_EQ(BuildSavedModel(Model(SmallCensus()), format),
              BuildSavedModel(Model(SmallCensus()), format));
  }
}

TEST(SavedModelTest, EveryInputIsANodeThatStandsBeforeItsUse) {
  for (const ExportFormat format : kFormats) {
    const proto::MetaGraphDef meta_graph = Build(format);
    std::set<std::string> known;
    for (const proto::NodeDef& node : meta_graph.graph_def().node()) {
      for (const std::string& input : node.input()) EXPECT_THAT(known, Contains(NodeOf(input)));
      EXPECT_TRUE(known.insert(node.name()).second) << node.name();
    }
  }
}

TEST(SavedModelTest, SignaturesNameNodesOfTheGraph) {
  for (const ExportFormat format : kFormats) {
    const proto::MetaGraphDef meta_graph = Build(format);
    const auto nodes = NodesOf(meta_graph);
    for (const auto& [name, signature] : meta_graph.signature_def()) {
      for (const auto& [key, info] : signature.inputs()) {
        EXPECT_TRUE(nodes.contains(NodeOf(info.name()))) << name << " " << key;
      }
      for (const auto& [key, info] : signature.outputs()) {
        EXPECT_TRUE(nodes.contains(NodeOf(info.name()))) << name << " " << key;
      }
    }
  }
}

TEST(SavedModelTest, JsonTakesOneInputAFeature) {
  const proto::MetaGraphDef meta_graph = Build(ExportFormat::kJson);
  const auto& signatures = meta_graph.signature_def();
  EXPECT_EQ(signatures.size(), 2u);
  const proto::SignatureDef& predict = signatures.at("predict");
  EXPECT_EQ(predict.method_name(), "tensorflow/serving/predict");
  EXPECT_EQ(predict.SerializeAsString().size(),
            signatures.at("serving_default").SerializeAsString().size());
  EXPECT_THAT(KeysOf(predict.inputs()),
              UnorderedElementsAre("age", "education_num", "gender", "marital_status", "occupation",
                                   "race"));
  EXPECT_EQ(predict.inputs().at("age").dtype(), records::proto::DT_FLOAT);
  EXPECT_EQ(predict.inputs().at("gender").dtype(), records::proto::DT_STRING);
  EXPECT_THAT(KeysOf(predict.outputs()),
              UnorderedElementsAre("class_ids", "classes", "logistic", "logits", "probabilities"));
}

TEST(SavedModelTest, CsvAndExamplesAreClassifiedToo) {
  for (const ExportFormat format : {ExportFormat::kCsv, ExportFormat::kExample}) {
    const proto::MetaGraphDef meta_graph = Build(format);
    const auto& signatures = meta_graph.signature_def();
    EXPECT_EQ(signatures.size(), 4u);
    EXPECT_THAT(KeysOf(signatures.at("predict").inputs()),
                ElementsAre(format == ExportFormat::kCsv ? "csv_row" : "example_proto"));
    for (const char* const name : {"classification", "serving_default"}) {
      EXPECT_EQ(signatures.at(name).method_name(), "tensorflow/serving/classify");
      EXPECT_THAT(KeysOf(signatures.at(name).inputs()), ElementsAre("inputs"));
      EXPECT_THAT(KeysOf(signatures.at(name).outputs()), ElementsAre("classes", "scores"));
    }
    EXPECT_EQ(signatures.at("regression").method_name(), "tensorflow/serving/regress");
    EXPECT_THAT(KeysOf(signatures.at("regression").outputs()), ElementsAre("outputs"));
  }
}

TEST(SavedModelTest, RestoresEveryVariableOfTheModel) {
  const Model model(SmallCensus());
  const proto::MetaGraphDef meta_graph = Build(ExportFormat::kJson);
  const auto nodes = NodesOf(meta_graph);
  std::set<std::string> expected = {"global_step"};
  for (const ops::TableSpec& table : model.tables()) expected.insert(table.name);

  const proto::NodeDef& restore = nodes.at("save/RestoreV2");
  const auto& names = nodes.at(restore.input(1)).attr().at("value").tensor().string_val();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), expected);
  EXPECT_EQ(nodes.at(meta_graph.saver_def().restore_op_name()).input_size(),
            static_cast<int>(expected.size()));
  EXPECT_EQ(meta_graph.collection_def().at("variables").bytes_list().value_size(),
            static_cast<int>(expected.size()));
  for (const std::string& name : expected) EXPECT_EQ(nodes.at(name).op(), "VarHandleOp");
}

TEST(SavedModelTest, MainOpFillsEveryVocabulary) {
  const proto::MetaGraphDef meta_graph = Build(ExportFormat::kExample);
  const auto nodes = NodesOf(meta_graph);
  const auto& main_op = meta_graph.collection_def().at("saved_model_main_op").node_list().value();
  ASSERT_EQ(main_op.size(), 1);
  std::set<std::string> filled;
  for (const std::string& input : nodes.at(main_op[0]).input()) {
    filled.insert(nodes.at(NodeOf(input)).input(0));
  }
  std::set<std::string> tables;
  for (const auto& [name, node] : nodes) {
    if (node.op() == "HashTableV2") tables.insert(name);
  }
  EXPECT_EQ(filled, tables);
  EXPECT_EQ(tables.size(), 3u);  // gender, race, marital_status.
}

}  // namespace
}  // namespace dime::models
