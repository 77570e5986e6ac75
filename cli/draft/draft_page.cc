#include "cli/draft/draft_page.h"

#include <algorithm>
#include <string_view>

#include "cli/draft/text.h"

namespace dime::cli {
namespace {

constexpr std::size_t kPageColumns = 120;

// A text in double quotes, as YAML and JSON escape it.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\t') {
      quoted += "\\t";
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::vector<std::string> AllQuoted(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  for (const std::string& text : texts) quoted.push_back(Quoted(text));
  return quoted;
}

// The name of a column or field, which needs quotes only where it would be no text.
std::string Name(const std::string& name) {
  constexpr std::string_view kNoTexts[] = {"null", "Null", "NULL"};
  const bool is_no_text = std::ranges::find(kNoTexts, name) != std::end(kNoTexts);
  return is_no_text ? Quoted(name) : name;
}

// `head` and "[a, b, c]", broken into lines under the bracket where it is long.
std::string List(std::string head, const std::vector<std::string>& items) {
  head += "[";
  const std::string indent(head.size(), ' ');
  std::string text = head;
  std::size_t column = head.size();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const bool is_last = i + 1 == items.size();
    const std::size_t width = items[i].size() + 1;
    if (i > 0 && column + width + 1 > kPageColumns) {
      text += "\n" + indent;
      column = indent.size();
    } else if (i > 0) {
      text += " ";
      ++column;
    }
    text += items[i] + (is_last ? "]" : ",");
    column += width;
  }
  return text;
}

std::string Commented(std::string line, const std::string& comment) {
  return comment.empty() ? line + "\n" : fmt::format("{}  # {}\n", line, OneLine(comment));
}

std::string FormatInput(const TableFormat& format, const std::vector<ColumnPlan>& plans) {
  std::string page = "input:\n";
  page += fmt::format("  separator: {}\n", Quoted(std::string_view(&format.separator, 1)));
  page += Commented(fmt::format("  header_lines: {}", format.header_lines), format.why_header);
  if (format.has_blanks) {
    page += Commented("  trim_blanks: true", "values have blanks around them");
  }
  page += "  fields:  # In the order of the data.\n";
  for (const ColumnPlan& plan : plans) {
    const std::string value = plan.default_value.empty() ? "" : ", default: " + plan.default_value;
    page += fmt::format("    - {{name: {}, type: {}{}}}\n", Name(plan.name), plan.type, value);
  }
  return page;
}

std::string FormatLabel(const ColumnPlan& plan) {
  std::string page =
      fmt::format("\nlabel:  # {}\n  field: {}\n", OneLine(plan.why), Name(plan.name));
  if (plan.num_classes > 0) page += fmt::format("  num_classes: {}\n", plan.num_classes);
  if (!plan.vocabulary.empty()) {
    if (plan.vocabulary.size() == 2) {
      page += "  # The second is the one whose probability is foretold.\n";
    }
    page += List("  vocabulary: ", AllQuoted(plan.vocabulary)) + "\n";
  }
  return page;
}

std::string FormatColumns(const std::vector<ColumnPlan>& plans) {
  std::string page = "\ncolumns:\n";
  for (const ColumnPlan& plan : plans) {
    if (plan.use == Use::kLabel) continue;
    const std::string head = plan.use == Use::kSkipped ? "left out: " : "";
    page += fmt::format("  # {}: {}{}\n", plan.name, head, OneLine(plan.why));
    for (const MadeColumn& column : MadeColumns(plan)) {
      page += fmt::format("  {}:{}\n", Name(column.name), column.value);
    }
  }
  return page;
}

std::string FormatEstimator(const std::vector<ColumnPlan>& plans) {
  std::vector<std::string> wide;
  std::vector<std::string> deep;
  bool is_regressor = false;
  for (const ColumnPlan& plan : plans) {
    if (plan.use == Use::kLabel) is_regressor = plan.num_classes == 0 && plan.vocabulary.empty();
    for (const MadeColumn& column : MadeColumns(plan)) {
      if (column.is_wide) wide.push_back(Name(column.name));
      if (column.is_deep) deep.push_back(Name(column.name));
    }
  }
  std::string page = fmt::format("\nestimator:\n  kind: DNNLinearCombined{}\n",
                                 is_regressor ? "Regressor" : "Classifier");
  page += List("  linear_columns: ", wide) + "\n" + List("  dnn_columns: ", deep) + "\n";
  page += "  hidden_units: [64, 32]\n";
  page += "  linear_optimizer: {kind: ftrl, learning_rate: 0.2}\n";
  page += "  dnn_optimizer: {kind: adagrad, learning_rate: 0.05}\n";
  return page;
}

}  // namespace

std::vector<MadeColumn> MadeColumns(const ColumnPlan& plan) {
  const std::string& name = plan.name;
  const std::string source = Name(name);
  std::vector<MadeColumn> columns;
  const auto add = [&](const std::string& suffix, std::string value, bool is_wide, bool is_deep) {
    columns.push_back({name + suffix, std::move(value), is_wide, is_deep});
  };
  switch (plan.use) {
    case Use::kSkipped:
    case Use::kLabel:
      break;
    case Use::kNumber:
    case Use::kBuckets: {
      const bool is_plain = plan.use == Use::kNumber;
      add("", " {kind: numeric}", plan.boundaries.empty(), is_plain || plan.boundaries.empty());
      if (plan.boundaries.empty()) break;
      add("_bucketized",
          fmt::format(" {{kind: bucketized, source: {}, boundaries: [{}]}}", source,
                      fmt::join(plan.boundaries, ", ")),
          true, false);
      if (is_plain) break;
      add("_bucketized_indicator",
          fmt::format(" {{kind: indicator, source: {}}}", Name(name + "_bucketized")), false, true);
      break;
    }
    case Use::kVocabulary:
      add("",
          fmt::format("\n    kind: vocabulary_list\n{}",
                      List("    vocabulary: ", AllQuoted(plan.vocabulary))),
          true, false);
      add("_indicator", fmt::format(" {{kind: indicator, source: {}}}", source), false, true);
      break;
    case Use::kHash:
      add("", fmt::format(" {{kind: hash_bucket, buckets: {}}}", plan.num_buckets), true, false);
      add("_embedding",
          fmt::format(" {{kind: embedding, source: {}, dimension: {}}}", source, plan.dimension),
          false, true);
      break;
  }
  return columns;
}

std::string FormatDraftPage(const PageSource& source, const TableFormat& format,
                            const std::vector<ColumnPlan>& plans) {
  std::string page = fmt::format(
      "# A first description of {}, made by `dime models infer` from {}.\n"
      "# What it says are rules of thumb: look at the comments, and change what you know better. "
      "Grammar: models/DESCRIPTION.md.\n\n",
      OneLine(source.data), source.sample);
  page += FormatInput(format, plans);
  page += FormatLabel(*std::ranges::find(plans, Use::kLabel, &ColumnPlan::use));
  page += FormatColumns(plans);
  page += FormatEstimator(plans);
  page +=
      "\ntraining:\n"
      "  train_steps: 1000  # When neither --train-steps nor --num-epochs is given.\n"
      "  train_batch_size: 128\n"
      "  eval_batch_size: 1024\n"
      "  eval_steps: 0  # The whole evaluation set.\n";
  return page;
}

}  // namespace dime::cli
