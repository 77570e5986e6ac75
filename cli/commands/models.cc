#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/model_library.h"
#include "cli/terminal/table.h"
#include "runtime/storage/file_system.h"

namespace dime::cli {
namespace {

std::string Describe(const ops::OptimizerSpec& optimizer) {
  return fmt::format("{} {:g}", models::OptimizerName(optimizer.kind), optimizer.learning_rate);
}

}  // namespace

int RunModelsList(Words args) {
  CLI::App app("Lists the models that `dime local train --model` knows by name.",
               "dime models list");
  if (const std::optional<int> exit_code = ParseOrExit(args, app)) return *exit_code;
  const absl::StatusOr<std::vector<LibraryModel>> library = ListModels(ModelDirectory());
  if (!library.ok()) return ReportError(app.get_name(), library.status());
  std::vector<TableRow> rows = {{"NAME", "DNN_OPTIMIZER", "LINEAR_OPTIMIZER", "LOSS", "FILE"}};
  for (const auto& [model, file] : *library) {
    const models::Estimator& estimator = model.estimator;
    const bool is_mean = estimator.loss_reduction == models::LossReduction::kMean;
    rows.push_back({model.name, Describe(estimator.dnn_optimizer),
                    Describe(estimator.linear_optimizer), is_mean ? "mean" : "sum", file});
  }
  fmt::print("{}", FormatTable(rows));
  return kExitOk;
}

int RunModelsDescribe(Words args) {
  std::string name;
  CLI::App app(
      "Prints a model's description as YAML: a page to start your own from. `dime local train "
      "--model FILE.yaml` trains it.",
      "dime models describe");
  app.add_option("MODEL", name, "A name of `dime models list`, or a file FILE.yaml")
      ->required()
      ->group("Arguments");
  if (const std::optional<int> exit_code = ParseOrExit(args, app)) return *exit_code;
  if (const absl::Status known = CheckModelName(name); !known.ok()) {
    return ReportUsageError(app.get_name(), base::MessageOf(known));
  }
  const absl::StatusOr<models::ModelDescription> description = FindModel(name);
  if (!description.ok()) return ReportError(app.get_name(), description.status());
  fmt::print("{}", models::FormatDescription(*description));
  return kExitOk;
}

int RunModelsSchema(Words args) {
  bool path_only = false;
  CLI::App app(
      "Prints the JSON Schema (draft 7) of the page that describes a model, with which editors "
      "complete, explain and check a page while it is written.",
      "dime models schema");
  app.add_flag("--path", path_only, "Print where the schema's file lies instead");
  app.footer(
      "A page that begins with this line is checked by editors with the YAML language server:\n"
      "  # yaml-language-server: $schema=PATH\n"
      "`dime models infer` writes it.");
  if (const std::optional<int> exit_code = ParseOrExit(args, app)) return *exit_code;
  const std::string path = SchemaPath();
  const absl::StatusOr<std::string> schema = storage::LocalFileSystem().ReadFile(path);
  if (!schema.ok()) {
    return ReportError(app.get_name(), base::Annotate(schema.status(),
                                                      "look for dime's schema "
                                                      "($DIME_CONFIGS)"));
  }
  fmt::print("{}", path_only ? path + "\n" : *schema);
  return kExitOk;
}

}  // namespace dime::cli
