#include "models/export/graph_variables.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/check.h"

namespace dime::models::internal {
namespace {

constexpr char kGlobalStep[] = "global_step";

std::string IdsName(std::string_view table) { return fmt::format("{}/ids", table); }

}  // namespace

GraphVariables::GraphVariables(std::span<const ops::TableSpec> tables, GraphBuilder* graph)
    : graph_(graph) {
  AddVariable(kGlobalStep, {}, Int64Tensor({}, {0}), /*is_trainable=*/false);
  for (const ops::TableSpec& table : tables) {
    if (!table.unbounded) {
      AddVariable(table.name, table.shape, FloatTensor(table.shape, {0}), /*is_trainable=*/true);
      continue;
    }
    // Rows for ids in ascending order, and one of zeros for all others.
    AddVariable(table.name, {kAnySize, table.dim}, FloatTensor({1, table.dim}, {0}),
                /*is_trainable=*/true);
    AddVariable(IdsName(table.name), {kAnySize}, Int64Tensor({1}, {ops::UnboundedRows::kNumIds}),
                /*is_trainable=*/false);
  }
  AddSaver();
}

const std::string& GraphVariables::Read(std::string_view name) const {
  const auto found = std::ranges::find(variables_, name, &GraphVariable::name);
  DIME_CHECK(found != variables_.end());
  return found->read;
}

std::string GraphVariables::ReadIds(std::string_view name) const {
  const auto found = std::ranges::find(variables_, IdsName(name), &GraphVariable::name);
  return found == variables_.end() ? "" : found->read;
}

void GraphVariables::AddVariable(const std::string& name, const Shape& shape,
                                 const Tensor& initial_value, bool is_trainable) {
  GraphVariable variable;
  variable.name = name;
  variable.is_trainable = is_trainable;
  graph_->Add("VarHandleOp", name, {},
              {{"dtype", initial_value.type}, {"shape", shape}, {"shared_name", name}});
  variable.initial_value = graph_->AddConst(name + "/Initializer/zeros", initial_value);
  variable.initializer =
      graph_->Add("AssignVariableOp", name + "/Assign", {name, variable.initial_value},
                  {{"dtype", initial_value.type}});
  variable.read = graph_->Add("ReadVariableOp", name + "/Read/ReadVariableOp", {name},
                              {{"dtype", initial_value.type}});
  variables_.push_back(std::move(variable));
  types_.push_back(initial_value.type);
}

void GraphVariables::AddSaver() {
  const auto size = static_cast<std::int64_t>(variables_.size());
  std::vector<std::string> names;
  for (const GraphVariable& variable : variables_) names.push_back(variable.name);
  const std::string default_name = graph_->AddConst("save/filename", StringTensor({}, {"model"}));
  saver_.file_name = graph_->Add("PlaceholderWithDefault", "save/Const", {default_name},
                                 {{"dtype", ValueType::kString}, {"shape", Shape{}}});
  const std::string tensor_names =
      graph_->AddConst("save/tensor_names", StringTensor({size}, names));
  const std::string slices =
      graph_->AddConst("save/shape_and_slices", StringTensor({size}, {""}));  // Whole tensors.

  std::vector<std::string> to_save = {saver_.file_name, tensor_names, slices};
  for (const GraphVariable& variable : variables_) to_save.push_back(variable.read);
  const std::string save = graph_->Add("SaveV2", "save/SaveV2", to_save, {{"dtypes", types_}});
  saver_.save =
      graph_->Add("Identity", "save/control_dependency",
                  {saver_.file_name, GraphBuilder::After(save)}, {{"T", ValueType::kString}});

  const std::string values =
      graph_->Add("RestoreV2", "save/RestoreV2", {saver_.file_name, tensor_names, slices},
                  {{"dtypes", types_}});
  std::vector<std::string> assigned;
  for (std::size_t k = 0; k < variables_.size(); ++k) {
    assigned.push_back(GraphBuilder::After(
        graph_->Add("AssignVariableOp", fmt::format("save/AssignVariableOp_{}", k),
                    {variables_[k].name, GraphBuilder::Output(values, static_cast<int>(k))},
                    {{"dtype", types_[k]}})));
  }
  saver_.restore = graph_->Add("NoOp", "save/restore_all", assigned);
}

}  // namespace dime::models::internal
