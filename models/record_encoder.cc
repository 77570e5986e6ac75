#include "models/record_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "models/internal/feature_columns.h"
#include "models/internal/text.h"
#include "models/internal/vocabulary.h"
#include "ops/hashing.h"
#include "runtime/base/check.h"

namespace dime::models {
namespace {

using internal::Vocabulary;

// --- The plan that a description is compiled into. "Slots" are positions in Scratch.

struct FieldPlan {
  int position = 0;  // In the record.
  FieldType type = FieldType::kString;
  int slot = 0;  // Among the numbers or the texts.
  std::string default_text;
  float default_number = 0;
  bool needs_fingerprint = false;
};

struct VocabularyStep {
  int text = 0;
  Vocabulary vocabulary;
};
struct HashStep {
  int text = 0;
  std::uint64_t num_buckets = 1;
};
struct BucketizeStep {
  int number = 0;
  std::vector<float> boundaries;
};
struct CrossStep {
  struct Key {
    bool is_id = false;
    int slot = 0;  // An earlier step's id, or a text's fingerprint.
  };
  std::vector<Key> keys;
  std::uint64_t num_buckets = 1;
  std::uint64_t hash_key = 0;
};
// How one categorical column's id is found: in [0, num_ids), -1 for a value outside the vocabulary,
// kMissing for no value at all. A cross takes the -1 as a value, but a missing one leaves no cross.
constexpr std::int64_t kMissing = -2;
using Step = std::variant<VocabularyStep, HashStep, BucketizeStep, CrossStep>;

// One record between parsing, which may fail, and its columns.
struct Scratch {
  std::vector<float> numbers;
  std::vector<std::string_view> texts;
  std::vector<std::uint64_t> fingerprints;  // Parallel to texts, where a step needs them.
  std::vector<std::int64_t> ids;            // Parallel to steps.
  float label = 0;
};

std::size_t Index(int slot) { return static_cast<std::size_t>(slot); }

std::int64_t RunStep(const VocabularyStep& step, const Scratch& scratch) {
  const std::string_view text = scratch.texts[Index(step.text)];
  return text.empty() ? kMissing : step.vocabulary.Find(text);
}

std::int64_t RunStep(const HashStep& step, const Scratch& scratch) {
  if (scratch.texts[Index(step.text)].empty()) return kMissing;
  return static_cast<std::int64_t>(scratch.fingerprints[Index(step.text)] % step.num_buckets);
}

std::int64_t RunStep(const BucketizeStep& step, const Scratch& scratch) {
  return std::upper_bound(step.boundaries.begin(), step.boundaries.end(),
                          scratch.numbers[Index(step.number)]) -
         step.boundaries.begin();
}

std::int64_t RunStep(const CrossStep& step, const Scratch& scratch) {
  std::uint64_t hash = step.hash_key;
  for (const CrossStep::Key& key : step.keys) {
    std::uint64_t value = 0;
    if (key.is_id) {
      const std::int64_t id = scratch.ids[Index(key.slot)];
      if (id == kMissing) return kMissing;
      value = static_cast<std::uint64_t>(id);
    } else {
      value = scratch.fingerprints[Index(key.slot)];
    }
    hash = ops::FingerprintCat(hash, value);
  }
  return static_cast<std::int64_t>(hash % step.num_buckets);
}

// What a value that makes no sense says of the file that it is from.
std::string_view HintOnEncoding(std::string_view value) {
  if (value.find('\0') != value.npos) {
    return "; the file looks like UTF-16, but UTF-8 is expected";
  }
  if (value.find('\r') != value.npos) {
    return "; the file's lines end with CR alone, but LF or CRLF is expected";
  }
  return "";
}

std::optional<std::string> ParseNumber(const FieldPlan& field, const FieldValue& value,
                                       bool trim_blanks, float* out) {
  if (!value.present) return "is missing; a number is expected";
  if (value.number.has_value()) {
    const bool fits = std::fabs(*value.number) <=
                      static_cast<double>(std::numeric_limits<float>::max());  // False for NaN.
    if (!fits) return fmt::format("{} is not a finite number", *value.number);
    *out = static_cast<float>(*value.number);
    return std::nullopt;
  }
  const std::string_view text = trim_blanks ? internal::Trimmed(value.text) : value.text;
  if (text.empty()) {
    *out = field.default_number;
    return std::nullopt;
  }
  if (field.type == FieldType::kInteger) {
    std::int32_t integer = 0;
    if (!internal::ParseInt32(text, &integer)) {
      return fmt::format("{} is not an integer of 32 bits", internal::Quoted(text));
    }
    *out = static_cast<float>(integer);
    return std::nullopt;
  }
  float number = 0;
  if (!internal::ParseFloat(text, &number)) {
    return fmt::format("{} is not a number", internal::Quoted(text));
  }
  if (!std::isfinite(number)) {
    return fmt::format("{} is not a finite number", internal::Quoted(text));
  }
  *out = number;
  return std::nullopt;
}

std::optional<std::string> TakeText(const FieldPlan& field, const FieldValue& value,
                                    bool trim_blanks, std::string_view* out) {
  if (!value.present) return "is missing; a string is expected";
  if (value.number.has_value()) {
    return fmt::format("is the number {}; a string is expected", *value.number);
  }
  *out = trim_blanks ? internal::Trimmed(value.text) : value.text;
  if (out->empty()) *out = field.default_text;
  return std::nullopt;
}

}  // namespace

class RecordEncoder::Impl {
 public:
  explicit Impl(const ModelDescription& description);

  [[nodiscard]] const Schema& schema() const { return schema_; }
  [[nodiscard]] const std::vector<int>& feature_fields() const { return feature_fields_; }
  [[nodiscard]] Batch NewBatch() const;

  // Appends the record whose field p is value_at(p).
  template <typename ValueAt>
  std::optional<RecordError> Append(std::size_t num_fields, const ValueAt& value_at, LabelUse label,
                                    Batch* batch) const;

 private:
  // Planning.
  FieldPlan& PlanField(const std::string& name);
  int PlanNumber(const std::string& numeric_column);
  int PlanFingerprint(const std::string& field);
  int PlanStep(const std::string& column);
  Step MakeStep(const FeatureColumn& column);

  template <typename ValueAt>
  std::optional<RecordError> Parse(const ValueAt& value_at, LabelUse label, Scratch* scratch) const;
  std::optional<std::string> ParseLabel(const FieldValue& value, float* out) const;
  std::optional<std::string> FindClass(const FieldValue& value, float* out) const;
  [[nodiscard]] RecordError Explain(const FieldPlan& field, const FieldValue& value,
                                    std::string reason) const;

  const ModelDescription* planned_ = nullptr;  // While planning.
  std::map<std::string, int> steps_by_column_;

  Schema schema_;
  std::vector<int> feature_fields_;
  std::size_t num_fields_ = 0;
  std::vector<std::string> field_names_;
  bool trim_blanks_ = false;
  std::vector<FieldPlan> fields_;  // By position.
  // Numbers that no column uses: a value that is none still spoils its record, as in TensorFlow.
  std::vector<FieldPlan> unused_numbers_;
  int num_numbers_ = 0;
  int num_texts_ = 0;
  std::vector<Step> steps_;         // Each after those it uses.
  std::vector<int> id_outputs_;     // Parallel to schema_.id_columns: steps.
  std::vector<int> float_outputs_;  // Parallel to schema_.float_columns: numbers.
  FieldPlan label_;
  std::int64_t num_classes_ = 0;  // 0: the label is a number to be predicted.
  std::string label_choices_;
  Vocabulary label_vocabulary_;
};

RecordEncoder::Impl::Impl(const ModelDescription& description)
    : planned_(&description),
      num_fields_(description.input.fields.size()),
      trim_blanks_(description.input.trim_blanks),
      label_vocabulary_(description.label.vocabulary) {
  for (const Field& field : description.input.fields) field_names_.push_back(field.name);
  std::set<std::string> used(description.estimator.linear_columns.begin(),
                             description.estimator.linear_columns.end());
  for (const std::string& name : description.estimator.dnn_columns) {
    const FeatureColumn& column = *description.FindColumn(name);
    const FeatureColumn* const source = internal::SourceOf(description, column);
    used.insert(source == nullptr ? name : source->name);
  }
  for (const FeatureColumn& column : description.columns) {
    if (!used.contains(column.name)) continue;
    if (internal::IsCategorical(column)) {
      schema_.id_columns.push_back({.name = column.name, .num_ids = internal::NumIds(column)});
      id_outputs_.push_back(PlanStep(column.name));
    } else {
      schema_.float_columns.push_back({.name = column.name, .dim = 1});
      float_outputs_.push_back(PlanNumber(column.name));
    }
  }
  std::sort(fields_.begin(), fields_.end(),
            [](const FieldPlan& a, const FieldPlan& b) { return a.position < b.position; });
  for (const FieldPlan& field : fields_) feature_fields_.push_back(field.position);

  label_.position = description.FindField(description.label.field);
  label_.type = description.input.fields[Index(label_.position)].type;
  num_classes_ = NumClasses(description.label);
  for (std::size_t p = 0; p < num_fields_; ++p) {
    const int position = static_cast<int>(p);
    const FieldType type = description.input.fields[p].type;
    const bool is_used =
        std::binary_search(feature_fields_.begin(), feature_fields_.end(), position);
    if (is_used || position == label_.position || type == FieldType::kString) continue;
    FieldPlan& plan = unused_numbers_.emplace_back();
    plan.position = position;
    plan.type = type;
  }
  label_.default_text = description.input.fields[Index(label_.position)].default_value;
  for (const std::string& name : description.label.vocabulary) {
    if (!label_choices_.empty()) label_choices_ += ", ";
    label_choices_ += internal::Quoted(internal::Trimmed(name));
  }
  planned_ = nullptr;
}

FieldPlan& RecordEncoder::Impl::PlanField(const std::string& name) {
  const int position = planned_->FindField(name);
  for (FieldPlan& field : fields_) {
    if (field.position == position) return field;
  }
  const Field& field = planned_->input.fields[Index(position)];
  FieldPlan& plan = fields_.emplace_back();
  plan.position = position;
  plan.type = field.type;
  plan.slot = field.type == FieldType::kString ? num_texts_++ : num_numbers_++;
  if (field.type == FieldType::kString) {
    plan.default_text = trim_blanks_ ? internal::Trimmed(field.default_value)
                                     : std::string_view(field.default_value);
  } else if (!internal::ParseFloat(field.default_value, &plan.default_number)) {
    plan.default_number = 0;
  }
  return plan;
}

int RecordEncoder::Impl::PlanNumber(const std::string& numeric_column) {
  return PlanField(std::get<NumericColumn>(planned_->FindColumn(numeric_column)->kind).field).slot;
}

int RecordEncoder::Impl::PlanFingerprint(const std::string& field) {
  FieldPlan& plan = PlanField(field);
  plan.needs_fingerprint = true;
  return plan.slot;
}

int RecordEncoder::Impl::PlanStep(const std::string& column) {
  const auto known = steps_by_column_.find(column);
  if (known != steps_by_column_.end()) return known->second;
  Step step = MakeStep(*planned_->FindColumn(column));  // Plans the steps it uses first.
  steps_.push_back(std::move(step));
  const int index = static_cast<int>(steps_.size()) - 1;
  steps_by_column_.emplace(column, index);
  return index;
}

Step RecordEncoder::Impl::MakeStep(const FeatureColumn& column) {
  if (const auto* c = std::get_if<VocabularyListColumn>(&column.kind)) {
    return VocabularyStep{.text = PlanField(c->field).slot,
                          .vocabulary = Vocabulary(c->vocabulary)};
  }
  if (const auto* c = std::get_if<HashBucketColumn>(&column.kind)) {
    return HashStep{.text = PlanFingerprint(c->field),
                    .num_buckets = static_cast<std::uint64_t>(c->num_buckets)};
  }
  if (const auto* c = std::get_if<BucketizedColumn>(&column.kind)) {
    return BucketizeStep{.number = PlanNumber(c->source), .boundaries = c->boundaries};
  }
  const auto& crossed = std::get<CrossedColumn>(column.kind);
  CrossStep step{.keys = {},
                 .num_buckets = static_cast<std::uint64_t>(crossed.num_buckets),
                 .hash_key = crossed.hash_key};
  for (const CrossKey& key : internal::KeysAsHashed(crossed)) {
    step.keys.push_back({.is_id = key.is_column,
                         .slot = key.is_column ? PlanStep(key.name) : PlanFingerprint(key.name)});
  }
  return step;
}

Batch RecordEncoder::Impl::NewBatch() const {
  Batch batch;
  batch.ids.resize(schema_.id_columns.size());
  for (const FloatColumnSpec& spec : schema_.float_columns) {
    batch.floats.push_back({.dim = spec.dim, .values = {}});
  }
  return batch;
}

std::optional<std::string> RecordEncoder::Impl::ParseLabel(const FieldValue& value,
                                                           float* out) const {
  if (label_.type == FieldType::kString) return FindClass(value, out);
  // A number that stands for a missing one would teach the model something wrong.
  if (value.present && !value.number && internal::Trimmed(value.text).empty()) {
    return "is missing; a label is expected";
  }
  if (auto reason = ParseNumber(label_, value, trim_blanks_, out)) return reason;
  if (num_classes_ == 0) return std::nullopt;
  if (*out >= 0 && *out < static_cast<float>(num_classes_) && *out == std::floor(*out)) {
    return std::nullopt;
  }
  return fmt::format("{} is no label; allowed are 0 to {}", *out, num_classes_ - 1);
}

std::optional<std::string> RecordEncoder::Impl::FindClass(const FieldValue& value,
                                                          float* out) const {
  std::string_view text;
  if (auto reason = TakeText(label_, value, trim_blanks_, &text)) return reason;
  const std::int64_t label = label_vocabulary_.Find(text);
  if (label < 0) {
    return fmt::format("{} is no label; allowed are {}", internal::Quoted(text), label_choices_);
  }
  *out = static_cast<float>(label);
  return std::nullopt;
}

template <typename ValueAt>
std::optional<RecordError> RecordEncoder::Impl::Parse(const ValueAt& value_at, LabelUse label,
                                                      Scratch* scratch) const {
  for (const FieldPlan& field : fields_) {
    const std::size_t slot = Index(field.slot);
    const FieldValue& value = value_at(Index(field.position));
    auto reason = field.type == FieldType::kString
                      ? TakeText(field, value, trim_blanks_, &scratch->texts[slot])
                      : ParseNumber(field, value, trim_blanks_, &scratch->numbers[slot]);
    if (reason) return Explain(field, value, *std::move(reason));
    if (field.needs_fingerprint) {
      scratch->fingerprints[slot] = ops::Fingerprint64(scratch->texts[slot]);
    }
  }
  for (const FieldPlan& field : unused_numbers_) {
    const FieldValue& value = value_at(Index(field.position));
    float unused = 0;
    auto reason = value.present ? ParseNumber(field, value, trim_blanks_, &unused) : std::nullopt;
    if (reason) return Explain(field, value, *std::move(reason));
  }
  if (label == LabelUse::kIgnored) return std::nullopt;
  const FieldValue& value = value_at(Index(label_.position));
  auto reason = ParseLabel(value, &scratch->label);
  if (reason) return Explain(label_, value, *std::move(reason));
  return std::nullopt;
}

RecordError RecordEncoder::Impl::Explain(const FieldPlan& field, const FieldValue& value,
                                         std::string reason) const {
  const bool is_name = internal::Trimmed(value.text) == field_names_[Index(field.position)];
  reason += is_name ? "; a first line of names takes `header_lines: 1` in the model's input"
                    : HintOnEncoding(value.text);
  return {.field = field.position, .reason = std::move(reason)};
}

template <typename ValueAt>
std::optional<RecordError> RecordEncoder::Impl::Append(std::size_t num_fields,
                                                       const ValueAt& value_at, LabelUse label,
                                                       Batch* batch) const {
  DIME_CHECK(batch->ids.size() == id_outputs_.size());
  DIME_CHECK(batch->floats.size() == float_outputs_.size());
  if (num_fields != num_fields_) {
    std::string_view hint;
    for (std::size_t i = 0; i < num_fields && hint.empty(); ++i) {
      hint = HintOnEncoding(value_at(i).text);
    }
    return RecordError{.field = -1,
                       .reason = fmt::format("has {} field{}; {} are expected{}", num_fields,
                                             num_fields == 1 ? "" : "s", num_fields_, hint)};
  }
  thread_local Scratch scratch;  // Keeps its memory from record to record.
  scratch.numbers.resize(Index(num_numbers_));
  scratch.texts.resize(Index(num_texts_));
  scratch.fingerprints.resize(Index(num_texts_));
  scratch.ids.resize(steps_.size());
  if (auto error = Parse(value_at, label, &scratch)) return error;
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    scratch.ids[s] = std::visit([](const auto& step) { return RunStep(step, scratch); }, steps_[s]);
  }
  for (std::size_t c = 0; c < id_outputs_.size(); ++c) {
    batch->ids[c].ids.push_back(std::max<std::int64_t>(scratch.ids[Index(id_outputs_[c])], -1));
  }
  for (std::size_t c = 0; c < float_outputs_.size(); ++c) {
    batch->floats[c].values.push_back(scratch.numbers[Index(float_outputs_[c])]);
  }
  if (label == LabelUse::kRequired) batch->labels.push_back(scratch.label);
  ++batch->num_examples;
  return std::nullopt;
}

int Schema::FindIds(std::string_view name) const {
  for (std::size_t c = 0; c < id_columns.size(); ++c) {
    if (id_columns[c].name == name) return static_cast<int>(c);
  }
  return -1;
}

int Schema::FindFloats(std::string_view name) const {
  for (std::size_t c = 0; c < float_columns.size(); ++c) {
    if (float_columns[c].name == name) return static_cast<int>(c);
  }
  return -1;
}

RecordEncoder::RecordEncoder(const ModelDescription& description)
    : impl_(std::make_unique<Impl>(description)) {}
RecordEncoder::~RecordEncoder() = default;
RecordEncoder::RecordEncoder(RecordEncoder&&) noexcept = default;

const Schema& RecordEncoder::schema() const { return impl_->schema(); }
Batch RecordEncoder::NewBatch() const { return impl_->NewBatch(); }
const std::vector<int>& RecordEncoder::feature_fields() const { return impl_->feature_fields(); }

std::optional<RecordError> RecordEncoder::AppendFields(std::span<const std::string_view> fields,
                                                       LabelUse label, Batch* batch) const {
  const auto value_at = [fields](std::size_t position) {
    return FieldValue{.text = fields[position], .number = std::nullopt, .present = true};
  };
  return impl_->Append(fields.size(), value_at, label, batch);
}

std::optional<RecordError> RecordEncoder::AppendValues(std::span<const FieldValue> values,
                                                       LabelUse label, Batch* batch) const {
  const auto value_at = [values](std::size_t position) -> const FieldValue& {
    return values[position];
  };
  return impl_->Append(values.size(), value_at, label, batch);
}

}  // namespace dime::models
