// models/export/graph_variables.h - a model's variables in a serving graph, and how they are
// restored from a checkpoint.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/export/graph_builder.h"
#include "ops/table.h"

namespace dime::models::internal {

struct GraphVariable {
  std::string name;           // In checkpoints; also the node of its handle.
  std::string read;           // Node: its value.
  std::string initial_value;  // Node.
  std::string initializer;    // Node: sets the initial value.
  bool is_trainable = true;
};

// The nodes through which a checkpoint is read and written.
struct GraphSaver {
  std::string file_name;  // Fed with a checkpoint's prefix.
  std::string save;       // Its value is the file name; computing it writes the checkpoint.
  std::string restore;    // Running it reads the checkpoint.
};

class GraphVariables {
 public:
  // Adds the tables and global_step.
  GraphVariables(std::span<const ops::TableSpec> tables, GraphBuilder* graph);

  // The value of the variable `name`, which must exist.
  [[nodiscard]] const std::string& Read(std::string_view name) const;
  // The ids of the rows of the unbounded table `name`; "" for any other.
  [[nodiscard]] std::string ReadIds(std::string_view name) const;
  [[nodiscard]] const std::vector<GraphVariable>& all() const { return variables_; }
  [[nodiscard]] const GraphSaver& saver() const { return saver_; }

 private:
  void AddVariable(const std::string& name, const Shape& shape, const Tensor& initial_value,
                   bool is_trainable);
  void AddSaver();

  GraphBuilder* graph_;
  std::vector<GraphVariable> variables_;
  std::vector<ValueType> types_;  // Parallel to variables_.
  GraphSaver saver_;
};

}  // namespace dime::models::internal
