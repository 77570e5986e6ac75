#include "models/internal/list_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>
#include <variant>

#include "models/internal/text.h"

namespace dime::models::internal {
namespace {

constexpr std::size_t kMaxCrossedValues = std::size_t{1} << 16;
constexpr double kMaxExactInteger = 9007199254740992.0;  // 2^53

std::size_t Index(int slot) { return static_cast<std::size_t>(slot); }

// One value of a list, before it is an id.
struct Item {
  std::string_view text;  // Of an integer: in decimal.
  std::int64_t integer = 0;
  std::uint64_t fingerprint = 0;  // Of the text, where a step needs it.
};

// A text step sees the text alone.
template <typename TextStep>
std::int64_t IdOf(const TextStep& step, const Item& item) {
  return IdOfText(step, item.text, item.fingerprint);
}

// -1 where the integer is no id.
std::int64_t IdOf(const IdentityStep& step, const Item& item) {
  const bool is_id = item.integer >= 0 && item.integer < step.num_buckets;
  return is_id ? item.integer : step.default_id;
}

bool ParseInteger(std::string_view text, std::int64_t* out) {
  text = Trimmed(text);
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out);
  return error == std::errc() && stop == end;
}

std::string CountedValues(std::size_t count) {
  return fmt::format("{} value{}", count, count == 1 ? "" : "s");
}

}  // namespace

RecordLists::RecordLists(const EncoderPlan& plan)
    : plan_(plan), values_(plan.lists.size()), ids_(Index(plan.num_list_ids)) {}

std::optional<std::string> RecordLists::Read(std::size_t list, const FieldValue& value) {
  const ListField& field = plan_.lists[list];
  Values* const out = &values_[list];
  out->numbers.clear();
  out->keys.clear();
  out->is_missing.clear();
  for (const int slot : field.ids) ids_[Index(slot)].clear();
  if (!value.present) return "is missing; a list of values is expected";
  const bool has_items = value.is_list || !value.integers.empty();
  auto reason = has_items      ? ReadItems(field, value, out)
                : value.number ? AddNumber(field, *value.number, out)
                               : ReadText(field, value.text, out);
  if (reason) return reason;
  const std::size_t count = out->is_missing.size();
  if (field.num_values == 0 || static_cast<std::int64_t>(count) == field.num_values) {
    return std::nullopt;
  }
  return fmt::format("has {}; {} {} expected", CountedValues(count), field.num_values,
                     field.num_values == 1 ? "is" : "are");
}

std::optional<std::string> RecordLists::ReadItems(const ListField& field, const FieldValue& value,
                                                  Values* out) {
  for (const std::string_view text : value.texts) {
    if (field.type != FieldType::kString) {
      return fmt::format("has the string {}; numbers are expected", Quoted(text));
    }
    if (auto reason = AddText(field, text, out)) return reason;
  }
  for (const double number : value.numbers) {
    if (auto reason = AddNumber(field, number, out)) return reason;
  }
  for (const std::int64_t integer : value.integers) {
    auto reason = field.type == FieldType::kInteger
                      ? AddItem(field, "", integer, out)
                      : AddNumber(field, static_cast<double>(integer), out);
    if (reason) return reason;
  }
  return std::nullopt;
}

// Values as a record of text has them.
std::optional<std::string> RecordLists::ReadText(const ListField& field, std::string_view text,
                                                 Values* out) {
  if (plan_.trim_blanks || field.type != FieldType::kString) text = Trimmed(text);
  if (text.empty()) {
    for (std::int64_t i = 0; i < field.num_values; ++i) {
      if (auto reason = AddText(field, field.default_value, out)) return reason;
    }
    return std::nullopt;
  }
  if (field.num_values == 1) return AddText(field, text, out);
  while (true) {
    const std::size_t end = std::min(text.find(field.separator), text.size());
    if (auto reason = AddText(field, text.substr(0, end), out)) return reason;
    if (end == text.size()) return std::nullopt;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::string> RecordLists::AddText(const ListField& field, std::string_view text,
                                                Values* out) {
  switch (field.type) {
    case FieldType::kString:
      return AddItem(field, plan_.trim_blanks ? Trimmed(text) : text, 0, out);
    case FieldType::kInteger: {
      std::int64_t integer = 0;
      if (!ParseInteger(text, &integer)) {
        return fmt::format("{} is not an integer of 64 bits", Quoted(text));
      }
      return AddItem(field, text, integer, out);
    }
    case FieldType::kFloat: {
      float number = 0;
      if (!ParseFloat(text, &number)) return fmt::format("{} is not a number", Quoted(text));
      return AddNumber(field, static_cast<double>(number), out);
    }
  }
  return std::nullopt;
}

std::optional<std::string> RecordLists::AddNumber(const ListField& field, double number,
                                                  Values* out) {
  if (field.type == FieldType::kString) {
    return fmt::format("has the number {}; strings are expected", number);
  }
  if (field.type == FieldType::kInteger) {
    const bool is_integer = std::fabs(number) < kMaxExactInteger && number == std::floor(number);
    if (!is_integer) return fmt::format("{} is not an integer below 2^53", number);
    return AddItem(field, "", static_cast<std::int64_t>(number), out);
  }
  if (!(std::fabs(number) <= static_cast<double>(std::numeric_limits<float>::max()))) {
    return fmt::format("{} is not a finite number", number);
  }
  out->numbers.push_back(static_cast<float>(number));
  out->is_missing.push_back(false);
  return std::nullopt;
}

// Adds a text or an integer, and the ids that are made of it.
std::optional<std::string> RecordLists::AddItem(const ListField& field, std::string_view text,
                                                std::int64_t integer, Values* out) {
  const bool is_text = field.type == FieldType::kString;
  Item item{.text = text, .integer = integer};
  char digits[24];
  if (!is_text) {
    const auto end = std::to_chars(std::begin(digits), std::end(digits), integer).ptr;
    item.text = {digits, end};
    out->numbers.push_back(static_cast<float>(integer));
  }
  if (field.needs_fingerprints) item.fingerprint = ops::Fingerprint64(item.text);
  const bool is_missing = is_text ? text.empty() : integer == -1;
  out->is_missing.push_back(is_missing);
  out->keys.push_back(is_text ? item.fingerprint : static_cast<std::uint64_t>(integer));
  for (std::size_t s = 0; s < field.steps.size(); ++s) {
    std::int64_t id = kMissing;
    if (!is_missing) {
      id = std::visit([&](const auto& step) { return IdOf(step, item); }, field.steps[s]);
      const auto* const identity = std::get_if<IdentityStep>(&field.steps[s]);
      if (identity != nullptr && id < 0) {
        return fmt::format("{} is no id; allowed are 0 to {}, and -1 for none", integer,
                           identity->num_buckets - 1);
      }
    }
    ids_[Index(field.ids[s])].push_back(id);
  }
  return std::nullopt;
}

std::optional<RecordError> RecordLists::RunSteps(const ColumnBlock& block) {
  for (const ListStep& step : plan_.list_steps) {
    auto error = std::visit([&](const auto& kind) { return Run(kind, block); }, step);
    if (error) return error;
  }
  return CheckWeights();
}

std::optional<RecordError> RecordLists::Run(const ListBucketizeStep& step,
                                            const ColumnBlock& /*block*/) {
  std::vector<std::int64_t>& ids = ids_[Index(step.ids)];
  ids.clear();
  std::int64_t first_id = 0;  // Each of the list's numbers has buckets of its own.
  for (const float number : values_[Index(step.list)].numbers) {
    ids.push_back(first_id + BucketOf(Normalized(step.normalizer, number), step.boundaries));
    first_id += static_cast<std::int64_t>(step.boundaries.size()) + 1;
  }
  return std::nullopt;
}

void RecordLists::TakeKey(const ListCrossStep::Key& key, const ColumnBlock& block,
                          KeyValues* values) const {
  const std::size_t slot = Index(key.slot);
  values->clear();
  const auto add_id = [values](std::int64_t id) {
    if (id != kMissing) values->push_back(static_cast<std::uint64_t>(id));
  };
  switch (key.kind) {
    case ListCrossStep::KeyKind::kIds:
      return add_id(block.ids[slot].front());
    case ListCrossStep::KeyKind::kFingerprint:
      return values->push_back(block.fingerprints[slot].front());
    case ListCrossStep::KeyKind::kListIds:
      std::ranges::for_each(ids_[slot], add_id);
      return;
    case ListCrossStep::KeyKind::kListValues:
      // A single integer is taken as it is, as TensorFlow does; in a list -1 stands for none.
      const bool is_list = plan_.lists[slot].num_values != 1;
      for (std::size_t i = 0; i < values_[slot].keys.size(); ++i) {
        if (!(is_list && values_[slot].is_missing[i])) values->push_back(values_[slot].keys[i]);
      }
  }
}

std::optional<RecordError> RecordLists::Run(const ListCrossStep& step, const ColumnBlock& block) {
  keys_.resize(step.keys.size());
  std::size_t count = 1;
  for (std::size_t k = 0; k < step.keys.size(); ++k) {
    TakeKey(step.keys[k], block, &keys_[k]);
    count *= keys_[k].size();
    if (count > kMaxCrossedValues) {
      return RecordError{.field = -1,
                         .reason = fmt::format("the cross '{}' has more than {} combinations",
                                               step.name, kMaxCrossedValues)};
    }
  }
  hashes_.assign(count == 0 ? 0 : 1, step.hash_key);
  for (const KeyValues& values : keys_) {  // The last key's values run fastest.
    const std::size_t num_hashes = hashes_.size();
    for (std::size_t h = 0; h < num_hashes; ++h) {
      for (const std::uint64_t value : values) {
        hashes_.push_back(ops::FingerprintCat(hashes_[h], value));
      }
    }
    hashes_.erase(hashes_.begin(), hashes_.begin() + static_cast<std::ptrdiff_t>(num_hashes));
  }
  std::vector<std::int64_t>& ids = ids_[Index(step.ids)];
  ids.clear();
  for (const std::uint64_t hash : hashes_) {
    ids.push_back(static_cast<std::int64_t>(step.buckets(hash)));
  }
  return std::nullopt;
}

// A weight for each id, whether the id is one or not.
std::optional<RecordError> RecordLists::CheckWeights() const {
  for (const EncoderPlan::IdOutput& output : plan_.id_outputs) {
    if (output.weights < 0) continue;
    const std::size_t num_weights = values_[Index(output.weights)].numbers.size();
    const std::size_t num_ids = ids_[Index(output.slot)].size();
    if (num_weights == num_ids) continue;
    return RecordError{
        .field = plan_.lists[Index(output.weights)].position,
        .reason = fmt::format("has {} for {}", CountedValues(num_weights), CountedValues(num_ids))};
  }
  return std::nullopt;
}

void RecordLists::Append(const EncoderPlan::IdOutput& output, IdColumn* column) const {
  for (const std::int64_t id : ids_[Index(output.slot)]) {
    column->ids.push_back(std::max<std::int64_t>(id, -1));
  }
  if (output.is_single && ids_[Index(output.slot)].empty()) column->ids.push_back(-1);
  if (output.weights >= 0) {
    const std::vector<float>& weights = values_[Index(output.weights)].numbers;
    column->weights.insert(column->weights.end(), weights.begin(), weights.end());
  }
  if (output.is_single) return;
  if (column->offsets.empty()) column->offsets.push_back(0);
  column->offsets.push_back(static_cast<std::int32_t>(column->ids.size()));
}

void RecordLists::Append(const EncoderPlan::FloatOutput& output, FloatColumn* column) const {
  for (const float number : values_[Index(output.slot)].numbers) {
    column->values.push_back(Normalized(output.normalizer, number));
  }
}

}  // namespace dime::models::internal
