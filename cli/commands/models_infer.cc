#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands/commands.h"
#include "cli/draft/draft.h"
#include "cli/exit_codes.h"
#include "cli/model_library.h"
#include "cli/terminal/table.h"
#include "runtime/storage/file_system.h"

namespace dime::cli {
namespace {

constexpr char kModelsInfer[] = "dime models infer";

struct InferFlags {
  std::string data;
  std::string output;
  std::string header = "auto";
  DraftOptions draft;
};

void DeclareInferFlags(CLI::App& app, InferFlags* flags) {
  constexpr std::int64_t kMaxRows = 10'000'000;
  app.add_option("DATA", flags->data, "A file with a record a line: CSV, TSV and such, gzip or not")
      ->required()
      ->group("Arguments");
  app.add_option("--label", flags->draft.label,
                 "The column to foretell: its name in the header, or its number from 1 on")
      ->required()
      ->type_name("COLUMN");
  app.add_option("--output", flags->output,
                 "The page's file, which must not be there yet [the page goes to stdout]")
      ->type_name("FILE.yaml");
  app.add_option("--sample-rows", flags->draft.sample_rows,
                 "Rows to look at, from the start; up to 64 MiB of them [100000]")
      ->transform(WholeNumber(1, kMaxRows))
      ->type_name("N");
  app.add_option("--header", flags->header,
                 "Whether the first line names the columns: yes, no or auto [auto]")
      ->transform(OneOf({"auto", "yes", "no"}))
      ->type_name("WHETHER");
}

// A page that somebody has worked on is never replaced.
absl::Status CheckOutput(const std::string& output) {
  if (output.empty()) return absl::OkStatus();
  if (!output.ends_with(".yaml") && !output.ends_with(".yml")) {
    return base::InvalidArgument(
        "--output: '{}' does not end in .yaml, by which `dime local train --model` knows a file",
        output);
  }
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(output));
  if (!fs->Exists(output)) return absl::OkStatus();
  return base::InvalidArgument("--output: '{}' is there already; remove it, or give another name",
                               output);
}

std::string FormatReport(const InferFlags& flags, const Draft& draft) {
  std::string report;
  for (const std::string& finding : draft.findings) report += finding + "\n";
  std::vector<TableRow> rows = {{"COLUMN", "TYPE", "MISSING", "USED_AS", "WHY"}};
  for (const DraftedColumn& column : draft.columns) {
    rows.push_back({column.name, column.type, column.missing.empty() ? "-" : column.missing,
                    column.used_as, column.why});
  }
  report += "\n" + FormatTable(rows);
  if (flags.output.empty()) return report;
  return report + fmt::format(
                      "\n{0}: look at its comments, then\n  dime local train --model {0} --job-dir "
                      "output/job_1 -- --train-files {1}\n",
                      flags.output, flags.data);
}

// By which editors find the schema. They read a path up to the first blank.
std::string LineForEditors() {
  const std::string schema = SchemaPath();
  const bool can_be_named = schema.find(' ') == std::string::npos;
  if (!can_be_named || !storage::LocalFileSystem().Exists(schema)) return "";
  return fmt::format("# yaml-language-server: $schema={}\n", schema);
}

absl::Status WritePage(const std::string& path, const std::string& page) {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(path));
  return fs->WriteAtomically(path, page);
}

}  // namespace

int RunModelsInfer(Words args) {
  InferFlags flags;
  CLI::App app(
      "Writes a first description of a model from data: finds out separator, header and types, and "
      "makes feature columns by rules of thumb, each with its reason. A page to start from, which "
      "`dime local train --model` takes as it is.",
      kModelsInfer);
  DeclareInferFlags(app, &flags);
  app.footer(
      "Example:\n"
      "  dime models infer data/adult.data.csv --label 15 --output income.yaml\n"
      "  dime local train --model income.yaml --job-dir output/income_1 -- \\\n"
      "      --train-files data/adult.data.csv --eval-files data/adult.test.csv");
  if (const std::optional<int> exit_code = ParseOrExit(args, app)) return *exit_code;
  if (const absl::Status fits = CheckOutput(flags.output); !fits.ok()) {
    return ReportUsageError(kModelsInfer, base::MessageOf(fits));
  }
  if (flags.header != "auto") flags.draft.has_header = flags.header == "yes";
  const absl::StatusOr<Draft> draft = MakeDraft(flags.data, flags.draft);
  if (absl::IsInvalidArgument(draft.status()) &&
      base::MessageOf(draft.status()).starts_with("--label")) {
    return ReportUsageError(kModelsInfer, base::MessageOf(draft.status()));
  }
  if (!draft.ok()) {
    ReportError(kModelsInfer, draft.status());
    return ExitCodeOfInput(draft.status());
  }
  const std::string report = FormatReport(flags, *draft);
  const std::string page = LineForEditors() + draft->page;
  if (flags.output.empty()) {
    std::fputs(report.c_str(), stderr);
    fmt::print("{}", page);
    return kExitOk;
  }
  if (const absl::Status written = WritePage(flags.output, page); !written.ok()) {
    ReportError(kModelsInfer, written);
    return ExitCodeOfWrite(written);
  }
  fmt::print("{}", report);
  return kExitOk;
}

}  // namespace dime::cli
