#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/gcloud_flags.h"
#include "cli/instances.h"
#include "cli/prediction_output.h"
#include "models/predictor.h"
#include "runtime/base/suggest.h"
#include "runtime/storage/file_system.h"

namespace dime::cli {
namespace {

constexpr char kLocalPredict[] = "dime local predict";
constexpr char kSavedModelFile[] = "saved_model.pb";

struct PredictFlags {
  std::string model_dir;
  std::optional<std::string> json_instances;
  std::optional<std::string> text_instances;
  std::string signature_name = "serving_default";
  std::string format = "text";
  std::int64_t max_instances = 100;
  GcloudFlags gcloud;
  std::optional<std::string> framework;
  std::optional<std::string> runtime_version;
};

void DeclarePredictFlags(CLI::App& app, PredictFlags* flags) {
  app.add_option("--model-dir", flags->model_dir,
                 "An export, such as output/census_1/export/census/1511438585; or the folder of "
                 "exports above it, which stands for its newest")
      ->required()
      ->type_name("DIR");
  app.add_option("--json-instances", flags->json_instances,
                 "A file with one JSON object a line; - is stdin")
      ->type_name("FILE");
  app.add_option(
         "--text-instances", flags->text_instances,
         "A file of CSV lines like those of the training data, whose label does not matter; - is "
         "stdin")
      ->type_name("FILE");
  app.add_option("--format", flags->format, "Print a table (text), or JSON [text]")
      ->transform(OneOf({"text", "json"}))
      ->type_name("FORMAT");
  app.add_option("--signature-name", flags->signature_name,
                 "What is asked of the export: predict gives all there is; serving_default is "
                 "the same for JSON exports, and classification for CSV and EXAMPLE exports; "
                 "those have regression, too [serving_default]")
      ->type_name("NAME");
  app.add_option("--max-instances", flags->max_instances,
                 "Refuse more lines than these, as the service does; 0 takes any number [100]")
      ->transform(WholeNumber(0, std::int64_t{1} << 53))
      ->type_name("N");
  DeclareGcloudFlags(app, &flags->gcloud);
  app.add_option("--framework", flags->framework)
      ->transform(OneOf({"tensorflow"}))
      ->type_name("tensorflow")
      ->group(kIgnoredGroup);
  app.add_option("--runtime-version", flags->runtime_version)
      ->type_name("X.Y")
      ->group(kIgnoredGroup);
  app.footer(
      "Example:\n"
      "  dime local predict --model-dir output/census_1/export/census \\\n"
      "      --json-instances data/test.json");
}

// The number that `name` is; none for other names.
std::optional<std::uint64_t> VersionOf(std::string_view name) {
  std::uint64_t version = 0;
  const char* const last = name.data() + name.size();
  const auto [end, error] = std::from_chars(name.data(), last, version);
  if (end != last || error != std::errc()) return std::nullopt;
  return version;
}

struct FoundExport {
  std::uint64_t version = 0;
  std::string path;
};

// The newest of the exports that lie in `directory`; none also where it is no directory.
std::optional<FoundExport> NewestExportIn(storage::FileSystem& fs, const std::string& directory) {
  const absl::StatusOr<std::vector<std::string>> names = fs.List(directory);
  if (!names.ok()) return std::nullopt;
  std::optional<FoundExport> newest;
  for (const std::string& name : *names) {
    const std::optional<std::uint64_t> version = VersionOf(name);
    if (!version || (newest && *version <= newest->version)) continue;
    const std::string path = storage::JoinPath(directory, name);
    if (fs.Exists(storage::JoinPath(path, kSavedModelFile))) newest = {*version, path};
  }
  return newest;
}

// "; did you mean --model-dir JOB/export/census/123?" for a job's directory, or its export/.
std::string SuggestExportBelow(storage::FileSystem& fs, const std::string& path) {
  std::optional<FoundExport> newest;
  for (const std::string& parent : {path, storage::JoinPath(path, "export")}) {
    const absl::StatusOr<std::vector<std::string>> names = fs.List(parent);
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      const auto found = NewestExportIn(fs, storage::JoinPath(parent, name));
      if (found && (!newest || found->version > newest->version)) newest = found;
    }
  }
  return newest ? fmt::format("; did you mean --model-dir {}?", newest->path) : "";
}

// The export that `path` is, or the newest one in it.
absl::StatusOr<std::string> FindExport(storage::FileSystem& fs, const std::string& path) {
  if (fs.Exists(storage::JoinPath(path, kSavedModelFile))) return path;
  DIME_RETURN_IF_ERROR(fs.List(path).status());
  const std::optional<FoundExport> newest = NewestExportIn(fs, path);
  if (!newest) {
    return base::NotFound("{} is no exported model, nor a folder of them: no {} in it{}", path,
                          kSavedModelFile, SuggestExportBelow(fs, path));
  }
  fmt::print(stderr, "{}: the newest export in {} is {}\n", kLocalPredict, path, newest->path);
  return newest->path;
}

absl::StatusOr<models::SignatureMethod> FindSignature(const models::Predictor& predictor,
                                                      const std::string& name) {
  const auto found = predictor.signatures().find(name);
  if (found != predictor.signatures().end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, method] : predictor.signatures()) names.push_back(known);
  return base::NotFound("the export has no signature '{}'; it has {}{}", name,
                        fmt::join(names, ", "), base::DidYouMean(name, names));
}

// What is to be printed.
absl::StatusOr<std::string> Predict(const PredictFlags& flags) {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(flags.model_dir));
  DIME_ASSIGN_OR_RETURN(const std::string export_dir, FindExport(*fs, flags.model_dir));
  const bool is_json = flags.json_instances.has_value();
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> lines,
                        ReadInstanceLines(is_json ? *flags.json_instances : *flags.text_instances,
                                          flags.max_instances));
  DIME_ASSIGN_OR_RETURN(const std::unique_ptr<models::Predictor> predictor,
                        models::Predictor::Load(*fs, export_dir));
  DIME_ASSIGN_OR_RETURN(const models::SignatureMethod method,
                        FindSignature(*predictor, flags.signature_name));
  DIME_ASSIGN_OR_RETURN(
      const models::Predictions predictions,
      is_json ? PredictJsonLines(lines, *predictor) : predictor->PredictCsv(lines));
  return flags.format == "json" ? FormatPredictionJson(predictions, method)
                                : FormatPredictionTable(predictions, method);
}

}  // namespace

int RunLocalPredict(Words args) {
  PredictFlags flags;
  CLI::App app(
      "Scores instances with an exported model, in this process, and prints what the service "
      "would answer.",
      kLocalPredict);
  DeclarePredictFlags(app, &flags);
  if (const std::optional<int> exit_code = ParseOrExit(args, app)) return *exit_code;
  if (flags.gcloud.verbosity) {
    base::SetMinLogSeverity(SeverityOfVerbosity(*flags.gcloud.verbosity));
  }
  NoteIgnoredOptions(GivenIgnoredOptions(app));
  if (flags.json_instances.has_value() == flags.text_instances.has_value()) {
    return ReportUsageError(kLocalPredict,
                            "give one of --json-instances FILE and --text-instances FILE");
  }
  const absl::StatusOr<std::string> predictions = Predict(flags);
  if (!predictions.ok()) {
    ReportError(kLocalPredict, predictions.status());
    return ExitCodeOfInput(predictions.status());
  }
  fmt::print("{}", *predictions);
  return kExitOk;
}

}  // namespace dime::cli
