// models/export/graph_columns.h - feature columns as nodes of a serving graph: from fields to ids,
// and from ids to floats, in the way of RecordEncoder and Model.
//
// The ids of a categorical column are a vector, one an example, or a matrix with the ids of each
// example in its row; -1 stands for none.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/description.h"
#include "models/export/graph_builder.h"
#include "models/export/graph_inputs.h"
#include "ops/sparse.h"

namespace dime::models::internal {

class GraphColumns {
 public:
  GraphColumns(const ModelDescription& description, const GraphInputs& inputs, GraphBuilder* graph)
      : description_(description), inputs_(inputs), graph_(graph) {}

  // A numeric column's values: floats [n, values an example].
  std::string Numbers(const std::string& column);
  // How often a categorical column's ids are there, zero for -1: floats [n, number of ids].
  std::string OneHot(const std::string& column, const std::string& scope);
  // A variable of rows: those of ids from 0, or of `ids`, ascending, and one for all others.
  struct Table {
    std::string rows;      // Node: floats [rows, dim].
    std::string ids = {};  // Node: int64 [rows]; "": there is a row for each id.
  };
  // The rows of `table` at a categorical column's ids, combined: floats [n, dim].
  std::string Rows(const std::string& column, const Table& table, ops::Combiner combiner,
                   const std::string& scope);

  // The nodes that fill the vocabularies' tables; to be run before anything else.
  [[nodiscard]] const std::vector<std::string>& initializers() const { return initializers_; }

 private:
  struct Ids {
    std::string node;             // int64 [n], or [n, most ids of an example].
    bool may_be_invalid = false;  // Whether -1 may be among them.
    std::string is_missing;  // bool, of the same shape: where there is not even a value to cross;
                             // "": nowhere.
    bool is_list = false;
    std::string weights = {};  // float [n, ...], for lists; "": 1.
  };

  const Ids& IdsOf(const std::string& column);
  Ids Add(const std::string& scope, const VocabularyColumn& column);
  Ids Add(const std::string& scope, const HashBucketColumn& column);
  Ids Add(const std::string& scope, const IdentityColumn& column);
  Ids Add(const std::string& scope, const BucketizedColumn& column);
  Ids Add(const std::string& scope, const CrossedColumn& column);
  Ids Add(const std::string& scope, const WeightedColumn& column);
  // Dense columns have no ids: a checked description never asks.
  template <typename DenseColumn>
  Ids Add(const std::string& scope, const DenseColumn& column);

  // The rows' numbers in `table` for ids from 0, of any shape.
  std::string RowNumbers(const std::string& ids, const Table& table, const std::string& scope);
  std::string RowsOfLists(const Ids& ids, const Table& table, ops::Combiner combiner,
                          const std::string& scope);
  // How much each id of a list counts: floats of the ids' shape.
  std::string Factors(const Ids& ids, bool only_positive, const std::string& scope);
  Ids CrossLists(const std::string& scope, const CrossedColumn& column);
  // A numeric column's values, [n] or [n, values].
  std::string NormalizedField(const std::string& column, const std::string& scope);
  // Ids in their text's place where the text is outside the vocabulary.
  std::string WithOutOfVocabulary(const std::string& scope, const VocabularyColumn& column,
                                  const std::string& text, const std::string& ids);

  // Where a text field is "", or an integer -1: bool, of the field's shape.
  const std::string& IsMissing(const std::string& field);
  // `ids`, -1 where `is_missing`.
  Ids WithoutMissing(const std::string& scope, const std::string& ids,
                     const std::string& is_missing);
  // An int64 of the shape of `like` everywhere.
  std::string FillLike(const std::string& scope, const std::string& like, std::int64_t value);
  // [n] as [n, 1]
  std::string AsMatrix(const std::string& name, const std::string& vector, ValueType type);
  const std::string& Field(const std::string& name) const { return inputs_.fields.at(name); }
  bool IsInteger(const std::string& field) const { return inputs_.integers.contains(field); }
  bool IsList(const std::string& field) const;
  // A field's texts or integers.
  const std::string& RawValues(const std::string& field) const {
    return IsInteger(field) ? inputs_.integers.at(field) : Field(field);
  }

  const ModelDescription& description_;
  const GraphInputs& inputs_;
  GraphBuilder* graph_;
  std::map<std::string, Ids> ids_;
  std::map<std::string, std::string> numbers_;     // By column.
  std::map<std::string, std::string> is_missing_;  // By field.
  std::vector<std::string> initializers_;
};

}  // namespace dime::models::internal
