// models/internal/encoder_plan.h - what a model's page says of records, made ready for encoding.
//
// A record becomes columns in three stages: its fields are read into numbers and texts; text steps
// turn one text into one id; derived steps make ids of what is there by then. Values of a stage
// stand in slots, each for a whole block of records (column_block.h).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "models/description.h"
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
  std::vector<float> boundaries;
  int ids = 0;  // The slot of its ids.
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
using DerivedStep = std::variant<BucketizeStep, CrossStep>;

// --- The label

struct LabelPlan {
  TextField text;      // Where it is a string: its vocabulary is the only step.
  NumberField number;  // Where it is a number.
  bool is_text = false;
  std::int64_t num_classes = 0;  // 0: the label is a number to be predicted.
  std::string choices;           // "'<=50K', '>50K'"
};

struct EncoderPlan {
  // Where the value of a field that features need goes.
  struct FieldSlot {
    int position = 0;
    bool is_text = false;
    int slot = 0;
  };

  Schema schema;
  std::vector<std::string> field_names;  // Of all fields of a record.
  bool trim_blanks = false;
  std::vector<FieldSlot> used_fields;  // By position.
  std::vector<NumberField> numbers;
  std::vector<TextField> texts;
  // Numbers that no column uses: a value that is none still spoils its record, as in TensorFlow.
  std::vector<NumberField> unused_numbers;
  int num_ids = 0;                         // Slots of ids.
  std::vector<DerivedStep> derived_steps;  // Each after those it uses.
  std::vector<int> id_outputs;             // Parallel to schema.id_columns: slots of ids.
  std::vector<int> float_outputs;          // Parallel to schema.float_columns: numbers.
  LabelPlan label;
};

[[nodiscard]] EncoderPlan MakeEncoderPlan(const ModelDescription& description);

}  // namespace dime::models::internal
