#include "models/internal/encoder_plan.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <utility>

#include "models/internal/feature_columns.h"
#include "models/internal/text.h"

namespace dime::models::internal {
namespace {

class Planner {
 public:
  explicit Planner(const ModelDescription& description) : description_(description) {}

  EncoderPlan Plan() &&;

 private:
  [[nodiscard]] const Field& FieldAt(int position) const {
    return description_.input.fields[static_cast<std::size_t>(position)];
  }
  [[nodiscard]] const FeatureColumn& Column(const std::string& name) const {
    return *description_.FindColumn(name);
  }
  [[nodiscard]] std::set<std::string> UsedColumns() const;
  [[nodiscard]] NumberField MakeNumber(int position) const;
  [[nodiscard]] TextField MakeText(int position) const;

  // Each gives the slot of what is asked for, and plans it when it is asked for first.
  int NumberOf(const std::string& numeric_column);
  int TextOf(const std::string& field);
  int FingerprintOf(const std::string& field);
  int IdsOf(const std::string& column);

  void AddStep(const VocabularyListColumn& column, int ids);
  void AddStep(const HashBucketColumn& column, int ids);
  void AddStep(const BucketizedColumn& column, int ids);
  void AddStep(const CrossedColumn& column, int ids);

  void AddTextStep(int text, TextStep step, int ids);

  void PlanColumns();
  void PlanLabel();
  void PlanUnusedNumbers();

  const ModelDescription& description_;
  EncoderPlan plan_;
  std::map<std::string, int> ids_by_column_;
};

EncoderPlan Planner::Plan() && {
  for (const Field& field : description_.input.fields) plan_.field_names.push_back(field.name);
  plan_.trim_blanks = description_.input.trim_blanks;
  PlanColumns();
  PlanLabel();
  PlanUnusedNumbers();
  return std::move(plan_);
}

// Those that the model takes as they are, or makes its own from.
std::set<std::string> Planner::UsedColumns() const {
  std::set<std::string> used(description_.estimator.linear_columns.begin(),
                             description_.estimator.linear_columns.end());
  for (const std::string& name : description_.estimator.dnn_columns) {
    const FeatureColumn* const source = SourceOf(description_, Column(name));
    used.insert(source == nullptr ? name : source->name);
  }
  return used;
}

void Planner::PlanColumns() {
  const std::set<std::string> used = UsedColumns();
  for (const FeatureColumn& column : description_.columns) {
    if (!used.contains(column.name)) continue;
    if (IsCategorical(column)) {
      plan_.schema.id_columns.push_back({.name = column.name, .num_ids = NumIds(column)});
      plan_.id_outputs.push_back(IdsOf(column.name));
    } else {
      plan_.schema.float_columns.push_back({.name = column.name, .dim = 1});
      plan_.float_outputs.push_back(NumberOf(column.name));
    }
  }
  std::ranges::sort(plan_.used_fields, {}, &EncoderPlan::FieldSlot::position);
}

void Planner::PlanLabel() {
  LabelPlan& label = plan_.label;
  const int position = description_.FindField(description_.label.field);
  label.is_text = FieldAt(position).type == FieldType::kString;
  label.number = MakeNumber(position);
  label.text = MakeText(position);
  label.text.steps.emplace_back(
      VocabularyStep{.vocabulary = Vocabulary(description_.label.vocabulary)});
  label.num_classes = NumClasses(description_.label);
  for (const std::string& name : description_.label.vocabulary) {
    if (!label.choices.empty()) label.choices += ", ";
    label.choices += Quoted(Trimmed(name));
  }
}

void Planner::PlanUnusedNumbers() {
  for (std::size_t p = 0; p < description_.input.fields.size(); ++p) {
    const int position = static_cast<int>(p);
    const bool is_used = std::ranges::binary_search(plan_.used_fields, position, {},
                                                    &EncoderPlan::FieldSlot::position);
    const bool is_label = position == plan_.label.number.position;
    if (is_used || is_label || FieldAt(position).type == FieldType::kString) continue;
    plan_.unused_numbers.push_back(MakeNumber(position));
  }
}

NumberField Planner::MakeNumber(int position) const {
  NumberField number{.position = position, .type = FieldAt(position).type, .default_value = 0};
  if (!ParseFloat(FieldAt(position).default_value, &number.default_value)) number.default_value = 0;
  return number;
}

TextField Planner::MakeText(int position) const {
  const std::string& text = FieldAt(position).default_value;
  TextField field;
  field.position = position;
  field.default_value = plan_.trim_blanks ? Trimmed(text) : std::string_view(text);
  return field;
}

int Planner::NumberOf(const std::string& numeric_column) {
  const int position =
      description_.FindField(std::get<NumericColumn>(Column(numeric_column).kind).field);
  for (std::size_t n = 0; n < plan_.numbers.size(); ++n) {
    if (plan_.numbers[n].position == position) return static_cast<int>(n);
  }
  const int slot = static_cast<int>(plan_.numbers.size());
  plan_.numbers.push_back(MakeNumber(position));
  plan_.used_fields.push_back({.position = position, .is_text = false, .slot = slot});
  return slot;
}

int Planner::TextOf(const std::string& field) {
  const int position = description_.FindField(field);
  for (std::size_t t = 0; t < plan_.texts.size(); ++t) {
    if (plan_.texts[t].position == position) return static_cast<int>(t);
  }
  const int slot = static_cast<int>(plan_.texts.size());
  plan_.texts.push_back(MakeText(position));
  plan_.used_fields.push_back({.position = position, .is_text = true, .slot = slot});
  return slot;
}

int Planner::FingerprintOf(const std::string& field) {
  const int slot = TextOf(field);
  plan_.texts[static_cast<std::size_t>(slot)].needs_fingerprint = true;
  return slot;
}

int Planner::IdsOf(const std::string& column) {
  const auto known = ids_by_column_.find(column);
  if (known != ids_by_column_.end()) return known->second;
  const int ids = plan_.num_ids++;
  ids_by_column_.emplace(column, ids);
  const auto& kind = Column(column).kind;
  if (const auto* c = std::get_if<VocabularyListColumn>(&kind)) AddStep(*c, ids);
  if (const auto* c = std::get_if<HashBucketColumn>(&kind)) AddStep(*c, ids);
  if (const auto* c = std::get_if<BucketizedColumn>(&kind)) AddStep(*c, ids);
  if (const auto* c = std::get_if<CrossedColumn>(&kind)) AddStep(*c, ids);
  return ids;
}

void Planner::AddStep(const VocabularyListColumn& column, int ids) {
  AddTextStep(TextOf(column.field), VocabularyStep{.vocabulary = Vocabulary(column.vocabulary)},
              ids);
}

void Planner::AddStep(const HashBucketColumn& column, int ids) {
  const ops::Modulus buckets(static_cast<std::uint64_t>(column.num_buckets));
  AddTextStep(FingerprintOf(column.field), HashStep{.buckets = buckets}, ids);
}

void Planner::AddTextStep(int text, TextStep step, int ids) {
  TextField& field = plan_.texts[static_cast<std::size_t>(text)];
  field.steps.push_back(std::move(step));
  field.ids.push_back(ids);
}

void Planner::AddStep(const BucketizedColumn& column, int ids) {
  plan_.derived_steps.emplace_back(BucketizeStep{
      .number = NumberOf(column.source), .boundaries = column.boundaries, .ids = ids});
}

void Planner::AddStep(const CrossedColumn& column, int ids) {
  CrossStep step{.keys = {},
                 .buckets = ops::Modulus(static_cast<std::uint64_t>(column.num_buckets)),
                 .hash_key = column.hash_key,
                 .ids = ids};
  for (const CrossKey& key : KeysAsHashed(column)) {  // Plans the steps it uses first.
    step.keys.push_back({.is_id = key.is_column,
                         .slot = key.is_column ? IdsOf(key.name) : FingerprintOf(key.name)});
  }
  plan_.derived_steps.emplace_back(std::move(step));
}

}  // namespace

EncoderPlan MakeEncoderPlan(const ModelDescription& description) {
  return Planner(description).Plan();
}

}  // namespace dime::models::internal
