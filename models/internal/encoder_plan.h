// models/internal/encoder_plan.h - what a model's page says of records, made ready for encoding.
//
// A record becomes columns in three stages: its fields are read into numbers and texts; text steps
// turn one text into one id; derived steps make ids of what is there by then. Values of a stage
// stand in slots, each for a whole block of records (column_steps.h). Lists, and integers that are
// ids, are beside them: a record that has some is encoded alone (list_values.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "models/description.h"
#include "models/internal/text.h"
#include "models/internal/vocabulary.h"
#include "models/record_encoder.h"
#include "ops/hashing.h"

namespace dime::models::internal {

// --- Fields

struct NumberField {
  int position = 0;  // In the record.
  FieldType type = FieldType::kInteger;
  float default_value = 0;
};

// A text's own ids are of it alone, whatever else the record has: they may be remembered.
struct VocabularyStep {
  Vocabulary vocabulary;
  std::int64_t size = 0;
  std::int64_t oov_buckets = 0;  // Where texts outside the vocabulary are hashed to; 0: -1.

  [[nodiscard]] std::int64_t OutOfVocabulary(std::string_view text) const {
    return size + ops::HashBucket(Trimmed(text), oov_buckets);
  }
};
struct HashStep {
  ops::Modulus buckets;
};
using TextStep = std::variant<VocabularyStep, HashStep>;

struct TextField {
  int position = 0;
  std::string default_value;
  bool needs_fingerprint = false;
  std::vector<TextStep> steps;
  std::vector<int> ids;  // Parallel to steps: the slots of their ids.
};

// --- Steps on what fields and earlier steps gave

struct BucketizeStep {
  int number = 0;
  Normalizer normalizer;  // Comes first.
  std::vector<float> boundaries;
  int ids = 0;  // The slot of its ids.
};
struct NormalizeStep {
  int number = 0;
  Normalizer normalizer;
  int out = 0;  // The slot of numbers that it fills.
};
struct CrossStep {
  struct Key {
    bool is_id = false;
    int slot = 0;  // Of ids, or of a text whose fingerprint is taken.
  };
  std::vector<Key> keys;
  ops::Modulus buckets;
  std::uint64_t hash_key = 0;
  int ids = 0;
};
using DerivedStep = std::variant<BucketizeStep, NormalizeStep, CrossStep>;

// --- Lists: any number of values a record. Their slots hold the values of one record.

struct IdentityStep {
  std::int64_t num_buckets = 0;
  std::int64_t default_id = -1;  // -1: integers outside are wrong.
};
// What makes an id of one value of a list. A text's fingerprint, or that of an integer in decimal.
using ItemStep = std::variant<VocabularyStep, HashStep, IdentityStep>;

// A list, or a single integer that columns take as an id: a list of one.
struct ListField {
  int position = 0;
  FieldType type = FieldType::kString;
  std::int64_t num_values = 1;  // 0: any.
  char separator = '|';
  std::string default_value;  // Of one value.
  std::vector<ItemStep> steps;
  std::vector<int> ids;  // Parallel to steps: list slots of ids.
  bool needs_fingerprints = false;
};

struct ListBucketizeStep {
  int list = 0;  // Of numbers.
  Normalizer normalizer;
  std::vector<float> boundaries;
  int ids = 0;
};
// Each combination of its keys' values.
struct ListCrossStep {
  enum class KeyKind { kIds, kFingerprint, kListIds, kListValues };
  struct Key {
    KeyKind kind = KeyKind::kIds;
    int slot = 0;
  };
  std::string name;
  std::vector<Key> keys;
  ops::Modulus buckets;
  std::uint64_t hash_key = 0;
  int ids = 0;
};
using ListStep = std::variant<ListBucketizeStep, ListCrossStep>;

// --- The label

struct LabelPlan {
  TextField text;      // Where it is a string: its vocabulary is the only step.
  NumberField number;  // Where it is a number.
  bool is_text = false;
  std::int64_t num_classes = 0;  // 0: the label is a number to be predicted.
  std::string choices;           // "'<=50K', '>50K'"
  std::optional<NumberField> weight;
};

struct EncoderPlan {
  // Where the value of a field that features need goes.
  enum class FieldKind { kNumber, kText, kList };
  struct FieldSlot {
    int position = 0;
    FieldKind kind = FieldKind::kNumber;
    int slot = 0;
  };

  // Where the ids of a column of the batch come from.
  struct IdOutput {
    int slot = 0;
    bool of_lists = false;   // The slot is one of lists: such a column may have any number of ids
    bool is_single = false;  // or, if this is set, has one an example.
    int weights = -1;        // The list of their weights; -1: none.
  };
  struct FloatOutput {
    int slot = 0;           // Of numbers, or a list.
    bool of_lists = false;  // Numbers of lists are normalized on their way out.
    Normalizer normalizer = {};
  };

  Schema schema;
  std::vector<std::string> field_names;  // Of all fields of a record.
  bool trim_blanks = false;
  std::vector<std::string> missing_values;  // Sorted: texts of CSV that stand for none.
  std::vector<FieldSlot> used_fields;       // By position.
  std::vector<NumberField> numbers;
  std::vector<TextField> texts;
  // Numbers that no column uses: a value that is none still spoils its record, as in TensorFlow.
  std::vector<NumberField> unused_numbers;
  int num_numbers = 0;                     // Slots of numbers: those of fields come first.
  int num_ids = 0;                         // Slots of ids.
  std::vector<DerivedStep> derived_steps;  // Each after those it uses.
  std::vector<ListField> lists;
  int num_list_ids = 0;                    // Slots of lists of ids.
  std::vector<ListStep> list_steps;        // Each after those it uses; all after derived_steps.
  std::vector<IdOutput> id_outputs;        // Parallel to schema.id_columns.
  std::vector<FloatOutput> float_outputs;  // Parallel to schema.float_columns.
  LabelPlan label;
};

[[nodiscard]] EncoderPlan MakeEncoderPlan(const ModelDescription& description);

}  // namespace dime::models::internal
