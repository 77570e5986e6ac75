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

std::string Describe(bool is_used, const ops::OptimizerSpec& optimizer) {
  if (!is_used) return "-";
  return fmt::format("{} {:g}", models::OptimizerName(optimizer.kind), optimizer.learning_rate);
}

std::string_view Describe(models::LossReduction reduction) {
  switch (reduction) {
    case models::LossReduction::kMean:
      return "mean";
    case models::LossReduction::kSum:
      return "sum";
    case models::LossReduction::kWeightedMean:
      return "weighted_mean";
  }
  return "";
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
    rows.push_back({model.name,
                    Describe(models::HasDnnPart(estimator.kind), estimator.dnn_optimizer),
                    Describe(models::HasLinearPart(estimator.kind), estimator.linear_optimizer),
                    std::string(Describe(estimator.loss_reduction)), file});
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
  app.footer(
      "Example:\n"
      "  dime models describe census > my.yaml\n"
      "  dime local train --model my.yaml --job-dir output/my_1 -- \\\n"
      "      --train-files data/adult.data.csv --eval-files data/adult.test.csv");
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
      "Editors with a YAML language server check a page whose first line is\n"
      "  # yaml-language-server: $schema=PATH\n"
      "as in the pages that `dime models infer` writes.");
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
