// models/record_encoder.h - turns records (CSV fields, JSON objects, tf.Examples) into a Batch's
// ids and floats.
//
// This is where feature columns become numbers: vocabulary look-up, hashing, bucketizing, crossing.
// Training, evaluation and prediction all come through here. Threads: const methods may be called
// from any thread; a Batch by one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/batch.h"
#include "models/description.h"
#include "runtime/base/status.h"
#include "runtime/records/text_rows.h"

namespace dime::models {

struct IdColumnSpec {
  std::string name;                                  // The feature column's.
  std::int64_t num_ids = 0;                          // Ids are in [0, num_ids), or -1.
  std::optional<ops::UnboundedRows> unbounded = {};  // What tables of these ids are like.
};
struct FloatColumnSpec {
  std::string name;
  std::int64_t dim = 1;
};
// The columns of every Batch of a model.
struct Schema {
  std::vector<IdColumnSpec> id_columns;
  std::vector<FloatColumnSpec> float_columns;

  [[nodiscard]] int FindIds(std::string_view name) const;     // -1 when there is none.
  [[nodiscard]] int FindFloats(std::string_view name) const;  // Likewise.
};

// What is wrong with one record.
struct RecordError {
  int field = -1;      // 0-based position in the record; -1: the record as a whole.
  std::string reason;  // "'abc' is not an integer"
};

struct RowError {
  std::size_t row = 0;
  RecordError error;
};

// A value that did not come as text.
struct FieldValue {
  std::string_view text;
  std::optional<double> number;
  bool present = false;
  bool is_list = false;  // The values are those that follow instead, of one kind.
  std::span<const std::string_view> texts = {};
  std::span<const double> numbers = {};
  std::span<const std::int64_t> integers = {};  // Also one that `number` may not hold exactly.
};

enum class LabelUse { kRequired, kIgnored };

class RecordEncoder {
 public:
  explicit RecordEncoder(
      const ModelDescription& description);  // A checked description: cannot fail.
  ~RecordEncoder();
  RecordEncoder(RecordEncoder&&) noexcept;

  [[nodiscard]] const Schema& schema() const;
  // A batch without examples, with the schema's columns.
  [[nodiscard]] Batch NewBatch() const;

  // Appends one example; on an error the batch is as before. `fields` are all of the record's, in
  // InputFormat's order (with LabelUse::kIgnored the label may be empty). Missing values are known.
  [[nodiscard]] std::optional<RecordError> AppendFields(std::span<const std::string_view> fields,
                                                        LabelUse label, Batch* batch) const;
  // The same, much faster, for many records. Those that are wrong are left out and added to
  // `errors`.
  void AppendRows(const records::TextRows& rows, LabelUse label, Batch* batch,
                  std::vector<RowError>* errors) const;
  // The same as AppendFields() for values by field (indexed as InputFormat::fields). Fields the
  // model does not use may be absent.
  [[nodiscard]] std::optional<RecordError> AppendValues(std::span<const FieldValue> values,
                                                        LabelUse label, Batch* batch) const;

  // The positions in InputFormat::fields of the fields that features need (not the label, not
  // unused ones).
  [[nodiscard]] const std::vector<int>& feature_fields() const;
  // The same of those that have to be there for training: the label, and what weighs examples.
  [[nodiscard]] const std::vector<int>& label_fields() const;
  // Whether all that is made of a field takes its integers as ids, which may have 64 bits.
  [[nodiscard]] bool HoldsIds(int field) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::models
