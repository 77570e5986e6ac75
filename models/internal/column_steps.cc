#include "models/internal/column_steps.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/base/check.h"

namespace dime::models::internal {
namespace {

template <typename T>
std::vector<std::vector<T>> MakeSlots(std::size_t num_slots) {
  return std::vector<std::vector<T>>(num_slots, std::vector<T>(ColumnBlock::kMaxRecords));
}

std::size_t Index(int slot) { return static_cast<std::size_t>(slot); }

void Run(const BucketizeStep& step, ColumnBlock* block) {
  const float* const numbers = block->numbers[Index(step.number)].data();
  std::int64_t* const ids = block->ids[Index(step.ids)].data();
  if (step.normalizer.kind == NormalizerKind::kNone) {
    for (std::size_t r = 0; r < block->num_records; ++r) {
      ids[r] = BucketOf(numbers[r], step.boundaries);
    }
    return;
  }
  for (std::size_t r = 0; r < block->num_records; ++r) {
    ids[r] = BucketOf(Normalized(step.normalizer, numbers[r]), step.boundaries);
  }
}

void Run(const NormalizeStep& step, ColumnBlock* block) {
  const float* const numbers = block->numbers[Index(step.number)].data();
  float* const out = block->numbers[Index(step.out)].data();
  for (std::size_t r = 0; r < block->num_records; ++r) {
    out[r] = Normalized(step.normalizer, numbers[r]);
  }
}

void Run(const CrossStep& step, ColumnBlock* block) {
  std::array<std::uint64_t, ColumnBlock::kMaxRecords> hashes;
  std::array<std::uint64_t, ColumnBlock::kMaxRecords> values;
  std::array<bool, ColumnBlock::kMaxRecords> missing = {};
  const std::size_t num_records = block->num_records;
  std::fill_n(hashes.begin(), num_records, step.hash_key);
  for (const CrossStep::Key& key : step.keys) {
    const std::uint64_t* of_key = values.data();
    if (key.is_id) {
      const std::int64_t* const ids = block->ids[Index(key.slot)].data();
      for (std::size_t r = 0; r < num_records; ++r) {
        missing[r] |= ids[r] == kMissing;
        values[r] = static_cast<std::uint64_t>(ids[r]);
      }
    } else {
      of_key = block->fingerprints[Index(key.slot)].data();
    }
    ops::FingerprintCat({of_key, num_records}, {hashes.data(), num_records});
  }
  std::int64_t* const ids = block->ids[Index(step.ids)].data();
  for (std::size_t r = 0; r < num_records; ++r) {
    ids[r] = missing[r] ? kMissing : static_cast<std::int64_t>(step.buckets(hashes[r]));
  }
}

}  // namespace

std::int64_t IdOfText(const VocabularyStep& step, std::string_view text,
                      std::uint64_t /*fingerprint*/) {
  if (text.empty()) return kMissing;
  const std::int64_t id = step.vocabulary.Find(text);
  return id >= 0 || step.oov_buckets == 0 ? id : step.OutOfVocabulary(text);
}

std::int64_t IdOfText(const HashStep& step, std::string_view text, std::uint64_t fingerprint) {
  return text.empty() ? kMissing : static_cast<std::int64_t>(step.buckets(fingerprint));
}

// No branch depends on the number: none could be foreseen.
std::int64_t BucketOf(float number, std::span<const float> boundaries) {
  const float* first = boundaries.data();
  for (std::size_t size = boundaries.size(); size > 1;) {
    const std::size_t half = size / 2;
    first += number < first[half - 1] ? 0 : half;
    size -= half;
  }
  if (boundaries.empty()) return 0;
  return first - boundaries.data() + (number < *first ? 0 : 1);
}

float Normalized(const Normalizer& normalizer, float number) {
  switch (normalizer.kind) {
    case NormalizerKind::kNone:
      return number;
    case NormalizerKind::kZScore:
      return (number - normalizer.mean) / normalizer.stddev;
    case NormalizerKind::kMinMax:
      return (number - normalizer.min) / (normalizer.max - normalizer.min);
    case NormalizerKind::kLog:
      return std::log1p(std::max(number, 0.0f));
  }
  DIME_CHECK(false);
}

ColumnBlock::ColumnBlock(const EncoderPlan& plan)
    : numbers(MakeSlots<float>(Index(plan.num_numbers))),
      fingerprints(MakeSlots<std::uint64_t>(plan.texts.size())),
      ids(MakeSlots<std::int64_t>(Index(plan.num_ids))),
      labels(kMaxRecords),
      weights(plan.label.weight ? kMaxRecords : 0) {
  std::size_t most_steps = 1;
  for (const TextField& text : plan.texts) most_steps = std::max(most_steps, text.steps.size());
  text_ids.resize(most_steps);
}

void RunTextSteps(const TextField& field, std::string_view text, std::uint64_t* fingerprint,
                  std::int64_t* ids) {
  if (field.needs_fingerprint) *fingerprint = ops::Fingerprint64(text);
  for (std::size_t s = 0; s < field.steps.size(); ++s) {
    ids[s] = std::visit([&](const auto& step) { return IdOfText(step, text, *fingerprint); },
                        field.steps[s]);
  }
}

void RunDerivedStep(const DerivedStep& step, ColumnBlock* block) {
  std::visit([block](const auto& kind) { Run(kind, block); }, step);
}

}  // namespace dime::models::internal
