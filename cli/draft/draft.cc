#include "cli/draft/draft.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "cli/draft/column_plan.h"
#include "cli/draft/draft_page.h"
#include "cli/draft/sample_text.h"
#include "models/description.h"
#include "runtime/base/suggest.h"
#include "runtime/base/text.h"
#include "runtime/storage/file_system.h"

namespace dime::cli {
namespace {

constexpr std::size_t kMaxColumns = 5000;  // Pages have a limit, too.

// The position of the column that `label` names, as the data or the page call it, or counts.
absl::StatusOr<std::size_t> FindLabel(const std::string& label, const TableFormat& format,
                                      const std::vector<std::string>& names) {
  for (const std::vector<std::string>* candidates : {&format.header, &names}) {
    const auto found = std::ranges::find(*candidates, label);
    if (found != candidates->end()) return static_cast<std::size_t>(found - candidates->begin());
  }
  std::size_t number = 0;
  const char* const last = label.data() + label.size();
  const auto [end, error] = std::from_chars(label.data(), last, number);
  if (end == last && error == std::errc() && number >= 1 && number <= names.size()) {
    return number - 1;
  }
  constexpr std::size_t kMaxListed = 20;
  const std::span listed = std::span(names).first(std::min(names.size(), kMaxListed));
  return base::InvalidArgument(
      "--label: no column is called '{}'{}; there are {}{} (or say its number, 1 to {})", label,
      base::DidYouMean(label, names), fmt::join(listed, ", "),
      names.size() > kMaxListed ? ", ..." : "", names.size());
}

std::string Percent(std::int64_t part, std::int64_t whole) {
  if (part == 0 || whole == 0) return "";
  const double percent = 100 * static_cast<double>(part) / static_cast<double>(whole);
  return percent < 0.05 ? "< 0.1 %" : fmt::format("{:.1f} %", percent);
}

std::string TypeAndValues(const ColumnPlan& plan, const ColumnProfile& column) {
  return fmt::format("{}, {}{} value{}", plan.type, column.has_more_distinct ? "> " : "",
                     column.counts.size(), column.counts.size() == 1 ? "" : "s");
}

std::string UsedAs(const ColumnPlan& plan) {
  switch (plan.use) {
    case Use::kSkipped:
      return "left out";
    case Use::kLabel:
      return "label";
    case Use::kNumber:
      return plan.boundaries.empty() ? "numeric" : "numeric, bucketized";
    case Use::kBuckets:
      return "bucketized";
    case Use::kVocabulary:
      return "vocabulary_list, indicator";
    case Use::kHash:
      return fmt::format("hash_bucket {}, embedding {}", plan.num_buckets, plan.dimension);
  }
  return "";
}

std::vector<std::string> Findings(const SampleText& sample, const TableFormat& format,
                                  const TableProfile& table, const std::string& what) {
  std::vector<std::string> findings = {
      fmt::format("{}{}, {} columns, separated by a {}", sample.is_gzip ? "gzip; " : "", what,
                  format.num_columns, SeparatorName(format.separator)),
      fmt::format("{}: {}", format.has_header ? "a header" : "no header", format.why_header)};
  if (format.has_blanks) findings.emplace_back("blanks around values are dropped");
  if (table.num_bad_rows > 0) {
    findings.push_back(fmt::format(
        "{} bad rows were left out, the first in {}; `dime local train --max-bad-records` can pass "
        "over them",
        table.num_bad_rows, table.first_bad_row));
  }
  return findings;
}

absl::StatusOr<std::vector<ColumnPlan>> PlanColumns(const TableProfile& table,
                                                    const std::vector<std::string>& names,
                                                    std::size_t label) {
  std::vector<ColumnPlan> plans;
  bool has_feature = false;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == label) {
      DIME_ASSIGN_OR_RETURN(plans.emplace_back(), PlanLabel(table.columns[i], names[i]));
    } else {
      plans.push_back(PlanFeature(table.columns[i], names[i]));
      has_feature = has_feature || plans.back().use != Use::kSkipped;
    }
  }
  if (has_feature) return plans;
  return base::OutOfRange(
      "no column is left to tell the label from: each is always the same, or differs in all rows");
}

std::vector<DraftedColumn> ReportOnColumns(const TableProfile& table,
                                           const std::vector<ColumnPlan>& plans) {
  std::vector<DraftedColumn> columns;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const ColumnProfile& column = table.columns[i];
    columns.push_back({plans[i].name, TypeAndValues(plans[i], column),
                       Percent(column.num_missing, table.num_rows), UsedAs(plans[i]),
                       plans[i].why});
  }
  return columns;
}

absl::StatusOr<Draft> DraftFrom(const SampleText& sample, const std::string& file_name,
                                const DraftOptions& options) {
  const bool has_mark = sample.text.starts_with(base::kByteOrderMark);
  const std::string_view text =
      std::string_view(sample.text).substr(has_mark ? base::kByteOrderMark.size() : 0);
  DIME_ASSIGN_OR_RETURN(const TableFormat format,
                        DetectFormat(text, options.has_header, options.label));
  if (format.num_columns > kMaxColumns) {
    return base::OutOfRange("it has {} columns; up to {} can be described", format.num_columns,
                            kMaxColumns);
  }
  const std::vector<std::string> names = NameColumns(format);
  DIME_ASSIGN_OR_RETURN(const std::size_t label, FindLabel(options.label, format, names));
  const TableProfile table = ProfileTable(text, format, options.sample_rows);
  if (table.num_rows == 0) return base::DataLoss("there is no row below the header");
  DIME_ASSIGN_OR_RETURN(const std::vector<ColumnPlan> plans, PlanColumns(table, names, label));

  const bool is_all = sample.is_whole_file && table.num_rows < options.sample_rows;
  const std::string what = fmt::format("{} {} rows", is_all ? "all" : "the first", table.num_rows);
  Draft draft = {.page = FormatDraftPage({file_name, what}, format, plans),
                 .findings = Findings(sample, format, table, what),
                 .columns = ReportOnColumns(table, plans)};
  if (has_mark && !format.has_header) {
    draft.findings.emplace_back(
        "the file starts with a byte order mark, which spoils its first value: remove it");
  }
  if (const std::int64_t missing = table.columns[label].num_missing; missing > 0) {
    draft.findings.push_back(fmt::format(
        "the label is missing in {} rows, which training takes for bad records", missing));
  }
  return draft;
}

}  // namespace

absl::StatusOr<Draft> MakeDraft(const std::string& path, const DraftOptions& options) {
  DIME_ASSIGN_OR_RETURN(const SampleText sample, ReadSampleText(path, options.sample_rows + 1));
  absl::StatusOr<Draft> draft = DraftFrom(sample, std::string(storage::BaseName(path)), options);
  // A wrong label is a wrong word, not a wrong file.
  if (absl::IsInvalidArgument(draft.status())) return draft;
  if (!draft.ok()) return base::Annotate(draft.status(), fmt::format("read '{}'", path));
  // What cannot be trained is not handed out.
  const auto parsed = models::ParseDescription(draft->page, "the draft", "");
  if (parsed.ok()) return draft;
  return base::OutOfRange("describe '{}': {}", path, base::MessageOf(parsed.status()));
}

}  // namespace dime::cli
