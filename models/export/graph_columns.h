// models/export/graph_columns.h - feature columns as nodes of a serving graph: from fields to ids,
// and from ids to floats, in the way of RecordEncoder and Model.
//
// An example has one value of each field, so a categorical column has one id an example; -1 stands
// for none.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/description.h"
#include "models/export/graph_builder.h"
#include "models/export/graph_inputs.h"

namespace dime::models::internal {

class GraphColumns {
 public:
  GraphColumns(const ModelDescription& description, const GraphInputs& inputs, GraphBuilder* graph)
      : description_(description), inputs_(inputs), graph_(graph) {}

  // A numeric column's values: floats [n, 1].
  std::string Numbers(const NumericColumn& column);
  // One-hot vectors of a categorical column's ids, zero for -1: floats [n, number of ids].
  std::string OneHot(const std::string& column, const std::string& scope);
  // The rows of `table` at a categorical column's ids, zero for -1: floats [n, dim].
  std::string Rows(const std::string& column, const std::string& table, const std::string& scope);

  // The nodes that fill the vocabularies' tables; to be run before anything else.
  [[nodiscard]] const std::vector<std::string>& initializers() const { return initializers_; }

 private:
  struct Ids {
    std::string node;             // int64 [n]
    bool may_be_invalid = false;  // Whether -1 may be among them.
    std::string is_missing;  // bool [n]: where there is not even a value to cross; "": nowhere.
  };

  const Ids& IdsOf(const std::string& column);
  Ids Add(const std::string& scope, const VocabularyListColumn& column);
  Ids Add(const std::string& scope, const HashBucketColumn& column);
  Ids Add(const std::string& scope, const BucketizedColumn& column);
  Ids Add(const std::string& scope, const CrossedColumn& column);
  // Dense columns have no ids: a checked description never asks.
  template <typename DenseColumn>
  Ids Add(const std::string& scope, const DenseColumn& column);

  // Where a text field is empty: bool [n].
  const std::string& IsMissing(const std::string& field);
  // `ids`, -1 where `is_missing`.
  Ids WithoutMissing(const std::string& scope, const std::string& ids,
                     const std::string& is_missing);
  // [n] as [n, 1]
  std::string AsMatrix(const std::string& name, const std::string& vector, ValueType type);
  const std::string& Field(const std::string& name) const { return inputs_.fields.at(name); }

  const ModelDescription& description_;
  const GraphInputs& inputs_;
  GraphBuilder* graph_;
  std::map<std::string, Ids> ids_;
  std::map<std::string, std::string> numbers_;     // By field.
  std::map<std::string, std::string> is_missing_;  // By field.
  std::vector<std::string> initializers_;
};

}  // namespace dime::models::internal
