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

VocabularyStep MakeVocabularyStep(const VocabularyColumn& column) {
  return {.vocabulary = Vocabulary(column.vocabulary),
          .size = static_cast<std::int64_t>(column.vocabulary.size()),
          .oov_buckets = column.num_oov_buckets};
}

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
  int ListOf(const std::string& field);
  int TextOf(const std::string& field);
  int FingerprintOf(const std::string& field);
  int IdsOf(const std::string& column);
  // The same for columns that are made of lists.
  int ListIdsOf(const std::string& column);

  void AddStep(const VocabularyColumn& column, int ids);
  void AddStep(const HashBucketColumn& column, int ids);
  void AddStep(const BucketizedColumn& column, int ids);
  void AddStep(const CrossedColumn& column, int ids);

  void AddTextStep(int text, TextStep step, int ids);
  void AddListStep(const VocabularyColumn& column, int ids);
  void AddListStep(const HashBucketColumn& column, int ids);
  void AddListStep(const IdentityColumn& column, int ids);
  void AddListStep(const BucketizedColumn& column, int ids);
  void AddListStep(const CrossedColumn& column, int ids);
  void AddItemStep(const std::string& field, ItemStep step, int ids);
  [[nodiscard]] ListCrossStep::Key PlanListKey(const CrossKey& key);

  // Whether records that have the column's values are encoded alone.
  [[nodiscard]] bool IsOfLists(const FeatureColumn& column) const;
  [[nodiscard]] bool IsListField(const std::string& field) const;
  [[nodiscard]] EncoderPlan::IdOutput PlanIds(const FeatureColumn& column);
  [[nodiscard]] EncoderPlan::FloatOutput PlanFloats(const FeatureColumn& column);

  void PlanColumns();
  void PlanLabel();
  void PlanUnusedNumbers();

  const ModelDescription& description_;
  EncoderPlan plan_;
  std::map<std::string, int> ids_by_column_;
  std::map<std::string, int> list_ids_by_column_;
};

EncoderPlan Planner::Plan() && {
  for (const Field& field : description_.input.fields) plan_.field_names.push_back(field.name);
  plan_.trim_blanks = description_.input.trim_blanks;
  plan_.missing_values = description_.input.missing_values;
  std::ranges::sort(plan_.missing_values);
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
      plan_.schema.id_columns.push_back({.name = column.name,
                                         .num_ids = NumIds(description_, column),
                                         .unbounded = UnboundedRowsOf(description_, column)});
      plan_.id_outputs.push_back(PlanIds(column));
    } else {
      plan_.schema.float_columns.push_back(
          {.name = column.name, .dim = DenseWidth(description_, column)});
      plan_.float_outputs.push_back(PlanFloats(column));
    }
  }
  // Slots of fields come first.
  plan_.num_numbers = static_cast<int>(plan_.numbers.size());
  for (EncoderPlan::FloatOutput& output : plan_.float_outputs) {
    if (output.of_lists || output.normalizer.kind == NormalizerKind::kNone) continue;
    plan_.derived_steps.emplace_back(NormalizeStep{
        .number = output.slot, .normalizer = output.normalizer, .out = plan_.num_numbers});
    output.slot = plan_.num_numbers++;
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
  if (!description_.label.weight_field.empty()) {
    label.weight = MakeNumber(description_.FindField(description_.label.weight_field));
  }
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
    const bool is_label = position == plan_.label.number.position ||
                          (plan_.label.weight && position == plan_.label.weight->position);
    if (is_used || is_label || FieldAt(position).is_list() ||
        FieldAt(position).type == FieldType::kString)
      continue;
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
  plan_.used_fields.push_back(
      {.position = position, .kind = EncoderPlan::FieldKind::kNumber, .slot = slot});
  return slot;
}

int Planner::ListOf(const std::string& field) {
  const int position = description_.FindField(field);
  for (std::size_t l = 0; l < plan_.lists.size(); ++l) {
    if (plan_.lists[l].position == position) return static_cast<int>(l);
  }
  const int slot = static_cast<int>(plan_.lists.size());
  const Field& described = FieldAt(position);
  ListField& list = plan_.lists.emplace_back();
  list.position = position;
  list.type = described.type;
  list.num_values = described.num_values;
  list.separator = described.value_separator;
  list.default_value = described.default_value;
  plan_.used_fields.push_back(
      {.position = position, .kind = EncoderPlan::FieldKind::kList, .slot = slot});
  return slot;
}

int Planner::TextOf(const std::string& field) {
  const int position = description_.FindField(field);
  for (std::size_t t = 0; t < plan_.texts.size(); ++t) {
    if (plan_.texts[t].position == position) return static_cast<int>(t);
  }
  const int slot = static_cast<int>(plan_.texts.size());
  plan_.texts.push_back(MakeText(position));
  plan_.used_fields.push_back(
      {.position = position, .kind = EncoderPlan::FieldKind::kText, .slot = slot});
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
  if (const auto* c = std::get_if<VocabularyColumn>(&kind)) AddStep(*c, ids);
  if (const auto* c = std::get_if<HashBucketColumn>(&kind)) AddStep(*c, ids);
  if (const auto* c = std::get_if<BucketizedColumn>(&kind)) AddStep(*c, ids);
  if (const auto* c = std::get_if<CrossedColumn>(&kind)) AddStep(*c, ids);
  return ids;
}

void Planner::AddStep(const VocabularyColumn& column, int ids) {
  AddTextStep(TextOf(column.field), MakeVocabularyStep(column), ids);
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

// A bucketized column takes its source's numbers as they are there: normalized.
void Planner::AddStep(const BucketizedColumn& column, int ids) {
  plan_.derived_steps.emplace_back(
      BucketizeStep{.number = NumberOf(column.source),
                    .normalizer = std::get<NumericColumn>(Column(column.source).kind).normalizer,
                    .boundaries = column.boundaries,
                    .ids = ids});
}

void Planner::AddStep(const CrossedColumn& column, int ids) {
  CrossStep step{.keys = {},
                 .buckets = ops::Modulus(static_cast<std::uint64_t>(column.num_buckets)),
                 .hash_key = column.hash_key,
                 .ids = ids};
  for (const CrossKey& key :
       KeysAsHashed(description_, column)) {  // Plans the steps it uses first.
    step.keys.push_back({.is_id = key.is_column,
                         .slot = key.is_column ? IdsOf(key.name) : FingerprintOf(key.name)});
  }
  plan_.derived_steps.emplace_back(std::move(step));
}

// --- Lists

bool Planner::IsListField(const std::string& field) const {
  return FieldAt(description_.FindField(field)).is_list();
}

bool Planner::IsOfLists(const FeatureColumn& column) const {
  if (std::holds_alternative<WeightedColumn>(column.kind)) return true;
  if (const auto* const cross = std::get_if<CrossedColumn>(&column.kind)) {
    return std::ranges::any_of(cross->keys, [&](const CrossKey& key) {
      if (key.is_column) return IsOfLists(Column(key.name));
      return IsListField(key.name) ||
             FieldAt(description_.FindField(key.name)).type != FieldType::kString;
    });
  }
  if (const FeatureColumn* const source = SourceOf(description_, column)) {
    return IsOfLists(*source);
  }
  const Field& field = FieldAt(description_.FindField(FieldOf(column)));
  return field.is_list() || (IsCategorical(column) && field.type != FieldType::kString);
}

EncoderPlan::IdOutput Planner::PlanIds(const FeatureColumn& column) {
  if (!IsOfLists(column)) return {.slot = IdsOf(column.name)};
  EncoderPlan::IdOutput output{.of_lists = true, .is_single = !GivesLists(description_, column)};
  const auto* const weighted = std::get_if<WeightedColumn>(&column.kind);
  if (weighted != nullptr) output.weights = ListOf(weighted->weight_field);
  output.slot = ListIdsOf(weighted == nullptr ? column.name : weighted->source);
  return output;
}

EncoderPlan::FloatOutput Planner::PlanFloats(const FeatureColumn& column) {
  const auto& numeric = std::get<NumericColumn>(column.kind);
  const bool of_lists = IsListField(numeric.field);
  return {.slot = of_lists ? ListOf(numeric.field) : NumberOf(column.name),
          .of_lists = of_lists,
          .normalizer = numeric.normalizer};
}

int Planner::ListIdsOf(const std::string& column) {
  const auto known = list_ids_by_column_.find(column);
  if (known != list_ids_by_column_.end()) return known->second;
  const int ids = plan_.num_list_ids++;
  list_ids_by_column_.emplace(column, ids);
  const auto& kind = Column(column).kind;
  if (const auto* c = std::get_if<VocabularyColumn>(&kind)) AddListStep(*c, ids);
  if (const auto* c = std::get_if<HashBucketColumn>(&kind)) AddListStep(*c, ids);
  if (const auto* c = std::get_if<IdentityColumn>(&kind)) AddListStep(*c, ids);
  if (const auto* c = std::get_if<BucketizedColumn>(&kind)) AddListStep(*c, ids);
  if (const auto* c = std::get_if<CrossedColumn>(&kind)) AddListStep(*c, ids);
  return ids;
}

void Planner::AddItemStep(const std::string& field, ItemStep step, int ids) {
  ListField& list = plan_.lists[static_cast<std::size_t>(ListOf(field))];
  if (std::holds_alternative<HashStep>(step)) list.needs_fingerprints = true;
  list.steps.push_back(std::move(step));
  list.ids.push_back(ids);
}

void Planner::AddListStep(const VocabularyColumn& column, int ids) {
  AddItemStep(column.field, MakeVocabularyStep(column), ids);
}

void Planner::AddListStep(const HashBucketColumn& column, int ids) {
  const ops::Modulus buckets(static_cast<std::uint64_t>(column.num_buckets));
  AddItemStep(column.field, HashStep{.buckets = buckets}, ids);
}

void Planner::AddListStep(const IdentityColumn& column, int ids) {
  AddItemStep(column.field,
              IdentityStep{.num_buckets = column.num_buckets, .default_id = column.default_id},
              ids);
}

void Planner::AddListStep(const BucketizedColumn& column, int ids) {
  const auto& source = std::get<NumericColumn>(Column(column.source).kind);
  plan_.list_steps.emplace_back(ListBucketizeStep{.list = ListOf(source.field),
                                                  .normalizer = source.normalizer,
                                                  .boundaries = column.boundaries,
                                                  .ids = ids});
}

void Planner::AddListStep(const CrossedColumn& column, int ids) {
  ListCrossStep step{.name = "",
                     .keys = {},
                     .buckets = ops::Modulus(static_cast<std::uint64_t>(column.num_buckets)),
                     .hash_key = column.hash_key,
                     .ids = ids};
  for (const CrossKey& key : KeysAsHashed(description_, column)) {
    step.keys.push_back(PlanListKey(key));
    step.name += (step.name.empty() ? "" : "_X_") + key.name;
  }
  plan_.list_steps.emplace_back(std::move(step));
}

ListCrossStep::Key Planner::PlanListKey(const CrossKey& key) {
  using Kind = ListCrossStep::KeyKind;
  if (key.is_column) {
    if (IsOfLists(Column(key.name))) return {.kind = Kind::kListIds, .slot = ListIdsOf(key.name)};
    return {.kind = Kind::kIds, .slot = IdsOf(key.name)};
  }
  const bool is_string = FieldAt(description_.FindField(key.name)).type == FieldType::kString;
  if (is_string && !IsListField(key.name)) {
    return {.kind = Kind::kFingerprint, .slot = FingerprintOf(key.name)};
  }
  const int list = ListOf(key.name);
  plan_.lists[static_cast<std::size_t>(list)].needs_fingerprints = true;
  return {.kind = Kind::kListValues, .slot = list};
}

}  // namespace

EncoderPlan MakeEncoderPlan(const ModelDescription& description) {
  return Planner(description).Plan();
}

}  // namespace dime::models::internal
