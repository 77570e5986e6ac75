// Any record of the right number of fields is encoded into ids within bounds, or refused and leaves
// no trace.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "models/record_encoder.h"
#include "runtime/base/check.h"
#include "runtime/records/csv.h"

namespace {

constexpr std::string_view kDescription = R"(
input:
  fields:
    - {name: n, type: integer, default: 3}
    - {name: x, type: float, default: 0.5}
    - {name: v, type: string, default: ""}
    - {name: h, type: string, default: ""}
    - {name: y, type: string, default: ""}
label: {field: y, vocabulary: [a, b]}
columns:
  n: {kind: numeric}
  x: {kind: numeric}
  v: {kind: vocabulary_list, vocabulary: [p, q, r]}
  h: {kind: hash_bucket, buckets: 7}
  n_bucketized: {kind: bucketized, source: n, boundaries: [0, 10]}
  h_X_n_bucketized_X_v: {kind: crossed, keys: [{column: n_bucketized}, {column: v}, h], buckets: 11}
  v_indicator: {kind: indicator, source: v}
  h_embedding: {kind: embedding, source: h, dimension: 2}
estimator:
  kind: DNNLinearCombinedClassifier
  linear_columns: [v, h, n_bucketized, h_X_n_bucketized_X_v]
  dnn_columns: [n, x, v_indicator, h_embedding]
  hidden_units: [4]
  dnn_optimizer: {kind: adagrad, learning_rate: 0.05}
  linear_optimizer: {kind: ftrl, learning_rate: 0.2}
)";

// Rows in blocks give the ids that records one by one gave.
void CheckRows(std::string_view text, const dime::models::RecordEncoder& encoder,
               const dime::models::Batch& expected) {
  dime::records::CsvReader reader(text, {});
  dime::records::TextRows rows;
  dime::models::Batch batch = encoder.NewBatch();
  std::vector<dime::models::RowError> errors;
  while (true) {
    if (reader.NextRows(5, &rows)) {
      encoder.AppendRows(rows, dime::models::LabelUse::kRequired, &batch, &errors);
    } else if (!reader.Next()) {
      break;
    } else if (reader.error().empty()) {
      (void)encoder.AppendFields(reader.fields(), dime::models::LabelUse::kRequired, &batch);
    }
  }
  DIME_CHECK(batch.num_examples == expected.num_examples);
  for (std::size_t c = 0; c < batch.ids.size(); ++c) {
    DIME_CHECK(batch.ids[c].ids == expected.ids[c].ids);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto description = dime::models::ParseDescription(kDescription, "fuzz.yaml", "");
  DIME_CHECK(description.ok());
  static const dime::models::RecordEncoder encoder(*description);

  dime::records::CsvReader reader({reinterpret_cast<const char*>(data), size}, {});
  dime::models::Batch batch = encoder.NewBatch();
  while (reader.Next()) {
    if (!reader.error().empty()) continue;
    const std::int64_t before = batch.num_examples;
    const auto error =
        encoder.AppendFields(reader.fields(), dime::models::LabelUse::kRequired, &batch);
    DIME_CHECK(batch.num_examples == before + (error ? 0 : 1));
  }
  CheckRows({reinterpret_cast<const char*>(data), size}, encoder, batch);
  for (std::size_t c = 0; c < batch.ids.size(); ++c) {
    DIME_CHECK(batch.ids[c].offsets.empty()
                   ? static_cast<std::int64_t>(batch.ids[c].ids.size()) == batch.num_examples
                   : static_cast<std::int64_t>(batch.ids[c].offsets.size()) ==
                         batch.num_examples + 1);
    for (const std::int64_t id : batch.ids[c].ids) {
      DIME_CHECK(id >= -1 && id < encoder.schema().id_columns[c].num_ids);
    }
  }
  return 0;
}
