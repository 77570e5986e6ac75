// models/batch.h - examples after parsing and hashing: columns of ids and floats, labels, weights.
//
// One type from the parsed file to the training step: a parsed file is a long batch, a training
// batch a gathered part.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace dime::models {

// The ids of one categorical column. -1 stands for "no valid id" (out of vocabulary, missing).
struct IdColumn {
  std::vector<std::int64_t> ids;
  std::vector<std::int32_t>
      offsets;  // Example e has ids [offsets[e], offsets[e+1]). Empty: exactly one an example.
  std::vector<float> weights;  // Parallel to ids: how much each counts. Empty: 1.
};

// The values of one numeric column: num_examples x dim, row-major.
struct FloatColumn {
  std::int64_t dim = 1;
  std::vector<float> values;
};

struct Batch {
  std::int64_t num_examples = 0;
  std::vector<IdColumn> ids;        // Parallel to Schema::id_columns.
  std::vector<FloatColumn> floats;  // Parallel to Schema::float_columns.
  std::vector<float> labels;     // Class index or target. Empty when there are none (prediction).
  std::vector<float> weights;    // Empty: all 1.
  std::uint64_t random_key = 0;  // What chance in a step on this batch depends on (dropout).
  std::vector<std::int64_t>
      records;  // Which record of the input each example is; empty when nobody asks.
};

// out = the examples `indices` of `source`, in that order. `out` keeps its memory from call to
// call.
void GatherExamples(const Batch& source, std::span<const std::int64_t> indices, Batch* out);

// Takes the memory for so many examples in all; for more than that when the batch keeps growing.
void ReserveExamples(std::int64_t num_examples, Batch* batch);

// Appends `more` to `batch`; both have the same columns.
void AppendExamples(const Batch& more, Batch* batch);

}  // namespace dime::models
