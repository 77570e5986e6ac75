#include "models/record_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <utility>

#include "models/internal/column_steps.h"
#include "models/internal/encoder_plan.h"
#include "models/internal/field_values.h"
#include "models/internal/list_values.h"
#include "models/internal/row_columns.h"
#include "models/internal/text.h"
#include "runtime/base/check.h"

namespace dime::models {
namespace {

using internal::ColumnBlock;
using internal::EncoderPlan;

std::size_t Index(int slot) { return static_cast<std::size_t>(slot); }

// What encoding needs besides the plan: one for each thread that is at it.
struct EncodingWorkspace {
  explicit EncodingWorkspace(const EncoderPlan& plan) : block(plan), lists(plan), rows(plan) {}

  ColumnBlock block;
  internal::RecordLists lists;  // Of the only record of the block.
  internal::RowColumns rows;
};

// Moves the values of the rows that are kept to the front.
template <typename T>
void Drop(const std::vector<std::size_t>& dropped, std::size_t size, std::vector<T>* values) {
  std::size_t kept = dropped.front();
  for (std::size_t r = kept, d = 0; r < size; ++r) {
    if (d < dropped.size() && dropped[d] == r) {
      ++d;
    } else {
      (*values)[kept++] = (*values)[r];
    }
  }
}

void DropRecords(const std::vector<std::size_t>& dropped, ColumnBlock* block) {
  for (auto& numbers : block->numbers) Drop(dropped, block->num_records, &numbers);
  for (auto& values : block->fingerprints) Drop(dropped, block->num_records, &values);
  for (auto& ids : block->ids) Drop(dropped, block->num_records, &ids);
  Drop(dropped, block->num_records, &block->labels);
  if (!block->weights.empty()) Drop(dropped, block->num_records, &block->weights);
  block->num_records -= dropped.size();
}

// Appends ids, with -1 for all that are below 0.
void AppendIds(const std::vector<std::int64_t>& ids, std::size_t count,
               std::vector<std::int64_t>* out) {
  const std::size_t before = out->size();
  out->resize(before + count);
  for (std::size_t r = 0; r < count; ++r) (*out)[before + r] = ids[r] | (ids[r] >> 63);
}

}  // namespace

class RecordEncoder::Impl {
 public:
  explicit Impl(const ModelDescription& description)
      : plan_(internal::MakeEncoderPlan(description)) {
    for (const EncoderPlan::FieldSlot& field : plan_.used_fields) {
      // One that is taken in two ways is there twice, in a row.
      if (feature_fields_.empty() || feature_fields_.back() != field.position) {
        feature_fields_.push_back(field.position);
      }
    }
    label_fields_.push_back(plan_.label.number.position);
    if (plan_.label.weight) label_fields_.push_back(plan_.label.weight->position);
  }

  [[nodiscard]] const Schema& schema() const { return plan_.schema; }
  [[nodiscard]] const std::vector<int>& feature_fields() const { return feature_fields_; }
  [[nodiscard]] const std::vector<int>& label_fields() const { return label_fields_; }
  [[nodiscard]] bool HoldsIds(int field) const {
    const auto is_at = [field](const auto& planned) { return planned.position == field; };
    return std::ranges::any_of(plan_.lists, is_at) && std::ranges::none_of(plan_.numbers, is_at);
  }
  [[nodiscard]] Batch NewBatch() const;
  // The value of a CSV field.
  [[nodiscard]] FieldValue FromText(std::string_view text) const {
    return {.text = internal::WithoutMissing(plan_, text), .number = std::nullopt, .present = true};
  }

  // Appends the record whose field p is value_at(p).
  template <typename ValueAt>
  std::optional<RecordError> Append(std::size_t num_fields, const ValueAt& value_at, LabelUse label,
                                    Batch* batch) const;
  void AppendRows(const records::TextRows& rows, LabelUse label, Batch* batch,
                  std::vector<RowError>* errors) const;

 private:
  template <typename ValueAt>
  std::optional<RecordError> AppendRecord(const ValueAt& value_at, LabelUse label,
                                          EncodingWorkspace* workspace, Batch* batch) const;
  template <typename ValueAt>
  std::optional<RecordError> Read(const ValueAt& value_at, LabelUse label,
                                  EncodingWorkspace* workspace) const;
  std::optional<std::string> ReadField(const EncoderPlan::FieldSlot& field, const FieldValue& value,
                                       EncodingWorkspace* workspace) const;
  std::optional<std::string> ReadTextField(const internal::TextField& field,
                                           const FieldValue& value, std::size_t slot,
                                           ColumnBlock* block) const;
  void RunDerivedSteps(ColumnBlock* block) const;
  // Adds the block's columns to the batch's; with the lists of its only record, if there are any.
  void AppendBlock(LabelUse label, const EncodingWorkspace& workspace, Batch* batch) const;
  [[nodiscard]] RecordError Explain(int position, const FieldValue& value,
                                    std::string reason) const;

  [[nodiscard]] std::unique_ptr<EncodingWorkspace> TakeWorkspace() const;
  void GiveBack(std::unique_ptr<EncodingWorkspace> workspace) const;

  const EncoderPlan plan_;
  std::vector<int> feature_fields_;
  std::vector<int> label_fields_;

  mutable std::mutex mutex_;                                            // Guards what follows.
  mutable std::vector<std::unique_ptr<EncodingWorkspace>> workspaces_;  // Those that nobody uses.
};

Batch RecordEncoder::Impl::NewBatch() const {
  Batch batch;
  batch.ids.resize(plan_.schema.id_columns.size());
  for (const FloatColumnSpec& spec : plan_.schema.float_columns) {
    batch.floats.push_back({.dim = spec.dim, .values = {}});
  }
  return batch;
}

std::unique_ptr<EncodingWorkspace> RecordEncoder::Impl::TakeWorkspace() const {
  {
    const std::lock_guard lock(mutex_);
    if (!workspaces_.empty()) {
      std::unique_ptr<EncodingWorkspace> workspace = std::move(workspaces_.back());
      workspaces_.pop_back();
      return workspace;
    }
  }
  return std::make_unique<EncodingWorkspace>(plan_);
}

void RecordEncoder::Impl::GiveBack(std::unique_ptr<EncodingWorkspace> workspace) const {
  const std::lock_guard lock(mutex_);
  workspaces_.push_back(std::move(workspace));
}

template <typename ValueAt>
std::optional<RecordError> RecordEncoder::Impl::Read(const ValueAt& value_at, LabelUse label,
                                                     EncodingWorkspace* workspace) const {
  const bool trim_blanks = plan_.trim_blanks;
  ColumnBlock& block = workspace->block;
  for (const EncoderPlan::FieldSlot& field : plan_.used_fields) {
    const FieldValue& value = value_at(Index(field.position));
    auto reason = ReadField(field, value, workspace);
    if (reason) return Explain(field.position, value, *std::move(reason));
  }
  for (const internal::NumberField& field : plan_.unused_numbers) {
    const FieldValue& value = value_at(Index(field.position));
    float unused = 0;
    if (!value.present) continue;
    auto reason = internal::ReadNumber(field, value, trim_blanks, &unused);
    if (reason) return Explain(field.position, value, *std::move(reason));
  }
  if (label == LabelUse::kIgnored) return std::nullopt;
  const int position = plan_.label.number.position;
  const FieldValue& value = value_at(Index(position));
  auto reason = internal::ReadLabel(plan_.label, value, trim_blanks, &block.labels.front());
  if (reason) return Explain(position, value, *std::move(reason));
  if (!plan_.label.weight) return std::nullopt;
  const internal::NumberField& weight = *plan_.label.weight;
  const FieldValue& weight_value = value_at(Index(weight.position));
  reason = internal::ReadWeight(weight, weight_value, trim_blanks, &block.weights.front());
  if (reason) return Explain(weight.position, weight_value, *std::move(reason));
  return std::nullopt;
}

std::optional<std::string> RecordEncoder::Impl::ReadField(const EncoderPlan::FieldSlot& field,
                                                          const FieldValue& value,
                                                          EncodingWorkspace* workspace) const {
  const std::size_t slot = Index(field.slot);
  switch (field.kind) {
    case EncoderPlan::FieldKind::kNumber:
      return internal::ReadNumber(plan_.numbers[slot], value, plan_.trim_blanks,
                                  &workspace->block.numbers[slot].front());
    case EncoderPlan::FieldKind::kText:
      return ReadTextField(plan_.texts[slot], value, slot, &workspace->block);
    case EncoderPlan::FieldKind::kList:
      return workspace->lists.Read(slot, value);
  }
  DIME_CHECK(false);
}

std::optional<std::string> RecordEncoder::Impl::ReadTextField(const internal::TextField& field,
                                                              const FieldValue& value,
                                                              std::size_t slot,
                                                              ColumnBlock* block) const {
  std::string_view text;
  if (auto reason = internal::ReadText(field, value, plan_.trim_blanks, &text)) return reason;
  internal::RunTextSteps(field, text, &block->fingerprints[slot].front(), block->text_ids.data());
  for (std::size_t s = 0; s < field.ids.size(); ++s) {
    block->ids[Index(field.ids[s])].front() = block->text_ids[s];
  }
  return std::nullopt;
}

RecordError RecordEncoder::Impl::Explain(int position, const FieldValue& value,
                                         std::string reason) const {
  const bool is_name = internal::Trimmed(value.text) == plan_.field_names[Index(position)];
  reason += is_name ? "; a first line of names takes `header_lines: 1` in the model's input"
                    : internal::HintOnEncoding(value.text);
  return {.field = position, .reason = std::move(reason)};
}

template <typename ValueAt>
std::optional<RecordError> RecordEncoder::Impl::Append(std::size_t num_fields,
                                                       const ValueAt& value_at, LabelUse label,
                                                       Batch* batch) const {
  if (num_fields != plan_.field_names.size()) {
    std::string_view hint;
    for (std::size_t i = 0; i < num_fields && hint.empty(); ++i) {
      hint = internal::HintOnEncoding(value_at(i).text);
    }
    return RecordError{
        .field = -1,
        .reason = fmt::format("has {} field{}; {} are expected{}", num_fields,
                              num_fields == 1 ? "" : "s", plan_.field_names.size(), hint)};
  }
  std::unique_ptr<EncodingWorkspace> workspace = TakeWorkspace();
  auto error = AppendRecord(value_at, label, workspace.get(), batch);
  GiveBack(std::move(workspace));
  return error;
}

template <typename ValueAt>
std::optional<RecordError> RecordEncoder::Impl::AppendRecord(const ValueAt& value_at,
                                                             LabelUse label,
                                                             EncodingWorkspace* workspace,
                                                             Batch* batch) const {
  workspace->block.num_records = 1;
  if (auto error = Read(value_at, label, workspace)) return error;
  RunDerivedSteps(&workspace->block);
  if (auto error = workspace->lists.RunSteps(workspace->block)) return error;
  AppendBlock(label, *workspace, batch);
  return std::nullopt;
}

void RecordEncoder::Impl::AppendRows(const records::TextRows& rows, LabelUse label, Batch* batch,
                                     std::vector<RowError>* errors) const {
  DIME_CHECK(rows.num_fields() == plan_.field_names.size());
  const auto values_of = [this, &rows](std::size_t row) {
    return [this, &rows, row](std::size_t position) { return FromText(rows.field(row, position)); };
  };
  std::unique_ptr<EncodingWorkspace> workspace = TakeWorkspace();
  if (!plan_.lists.empty()) {
    for (std::size_t row = 0; row < rows.num_rows(); ++row) {
      auto error = AppendRecord(values_of(row), label, workspace.get(), batch);
      if (error) errors->push_back({.row = row, .error = *std::move(error)});
    }
    return GiveBack(std::move(workspace));
  }
  const std::vector<std::size_t>& wrong = workspace->rows.Read(rows, label, &workspace->block);
  if (!wrong.empty()) DropRecords(wrong, &workspace->block);
  RunDerivedSteps(&workspace->block);
  AppendBlock(label, *workspace, batch);
  for (const std::size_t row : wrong) {
    auto error = Read(values_of(row), label, workspace.get());
    DIME_CHECK(error.has_value());
    errors->push_back({.row = row, .error = *std::move(error)});
  }
  GiveBack(std::move(workspace));
}

void RecordEncoder::Impl::RunDerivedSteps(ColumnBlock* block) const {
  for (const internal::DerivedStep& step : plan_.derived_steps) {
    internal::RunDerivedStep(step, block);
  }
}

void RecordEncoder::Impl::AppendBlock(LabelUse label, const EncodingWorkspace& workspace,
                                      Batch* batch) const {
  DIME_CHECK(batch->ids.size() == plan_.id_outputs.size());
  DIME_CHECK(batch->floats.size() == plan_.float_outputs.size());
  const ColumnBlock& block = workspace.block;
  const auto append = [&block](const std::vector<float>& values, std::vector<float>* out) {
    out->insert(out->end(), values.begin(),
                values.begin() + static_cast<std::ptrdiff_t>(block.num_records));
  };
  for (std::size_t c = 0; c < plan_.id_outputs.size(); ++c) {
    const EncoderPlan::IdOutput& output = plan_.id_outputs[c];
    if (output.of_lists) {
      workspace.lists.Append(output, &batch->ids[c]);
    } else {
      AppendIds(block.ids[Index(output.slot)], block.num_records, &batch->ids[c].ids);
    }
  }
  for (std::size_t c = 0; c < plan_.float_outputs.size(); ++c) {
    const EncoderPlan::FloatOutput& output = plan_.float_outputs[c];
    if (output.of_lists) {
      workspace.lists.Append(output, &batch->floats[c]);
    } else {
      append(block.numbers[Index(output.slot)], &batch->floats[c].values);
    }
  }
  if (label == LabelUse::kRequired) {
    append(block.labels, &batch->labels);
    if (plan_.label.weight) append(block.weights, &batch->weights);
  }
  batch->num_examples += static_cast<std::int64_t>(block.num_records);
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
const std::vector<int>& RecordEncoder::label_fields() const { return impl_->label_fields(); }
bool RecordEncoder::HoldsIds(int field) const { return impl_->HoldsIds(field); }

std::optional<RecordError> RecordEncoder::AppendFields(std::span<const std::string_view> fields,
                                                       LabelUse label, Batch* batch) const {
  const auto value_at = [this, fields](std::size_t position) {
    return impl_->FromText(fields[position]);
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

void RecordEncoder::AppendRows(const records::TextRows& rows, LabelUse label, Batch* batch,
                               std::vector<RowError>* errors) const {
  impl_->AppendRows(rows, label, batch, errors);
}

}  // namespace dime::models
