#include "worker/input/example_block.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "runtime/base/crc32c.h"

namespace dime::worker {
namespace {

using models::Batch;
using models::FloatColumn;
using models::IdColumn;

// A member that is added has to be written here, too.
static_assert(sizeof(IdColumn) == 3 * sizeof(std::vector<char>));
static_assert(sizeof(FloatColumn) == sizeof(std::int64_t) + sizeof(std::vector<char>));
static_assert(sizeof(Batch) == 2 * sizeof(std::int64_t) + 5 * sizeof(std::vector<char>));

constexpr std::size_t kCrcBytes = sizeof(std::uint32_t);

class Writer {
 public:
  template <typename T>
  void Add(const T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }

  template <typename T>
  void AddValues(const std::vector<T>& values) {
    Add<std::uint64_t>(values.size());
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }

  void AddIds(const std::vector<std::int64_t>& ids) {
    const bool is_narrow = std::ranges::all_of(ids, [](std::int64_t id) {
      return id >= std::numeric_limits<std::int32_t>::min() &&
             id <= std::numeric_limits<std::int32_t>::max();
    });
    Add(is_narrow);
    if (!is_narrow) return AddValues(ids);
    AddValues(std::vector<std::int32_t>(ids.begin(), ids.end()));
  }

  [[nodiscard]] std::string Take() {
    Add(base::Crc32c(bytes_));
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
};

// Reads what Writer has written. False where there is less than that.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  bool Take(T* value) {
    if (rest_.size() < sizeof(*value)) return false;
    std::memcpy(value, rest_.data(), sizeof(*value));
    rest_.remove_prefix(sizeof(*value));
    return true;
  }

  template <typename T>
  bool TakeValues(std::vector<T>* values) {
    std::uint64_t count = 0;
    if (!Take(&count) || count > rest_.size() / sizeof(T)) return false;
    values->resize(static_cast<std::size_t>(count));
    const std::size_t size = values->size() * sizeof(T);
    if (size > 0) std::memcpy(values->data(), rest_.data(), size);
    rest_.remove_prefix(size);
    return true;
  }

  bool TakeIds(std::vector<std::int64_t>* ids) {
    bool is_narrow = false;
    if (!Take(&is_narrow)) return false;
    if (!is_narrow) return TakeValues(ids);
    if (!TakeValues(&narrow_)) return false;
    ids->assign(narrow_.begin(), narrow_.end());
    return true;
  }

  bool TakeBatch(Batch* batch) {
    std::uint64_t num_id_columns = 0;
    std::uint64_t num_float_columns = 0;
    if (!Take(&batch->num_examples) || !Take(&num_id_columns) || !Take(&num_float_columns)) {
      return false;
    }
    batch->ids.resize(static_cast<std::size_t>(num_id_columns));
    batch->floats.resize(static_cast<std::size_t>(num_float_columns));
    for (IdColumn& column : batch->ids) {
      if (!TakeIds(&column.ids) || !TakeValues(&column.offsets) || !TakeValues(&column.weights)) {
        return false;
      }
    }
    for (FloatColumn& column : batch->floats) {
      if (!Take(&column.dim) || !TakeValues(&column.values)) return false;
    }
    return TakeValues(&batch->labels) && TakeValues(&batch->weights) &&
           TakeValues(&batch->records) && rest_.empty();
  }

 private:
  std::string_view rest_;
  std::vector<std::int32_t> narrow_;
};

// Of the value of one example, or of one id; nothing where there are none.
template <typename T>
std::uint64_t SizeOfOne(const std::vector<T>& values) {
  return values.empty() ? 0 : sizeof(T);
}

}  // namespace

std::string EncodeExamples(const Batch& batch) {
  Writer writer;
  writer.Add(batch.num_examples);
  writer.Add<std::uint64_t>(batch.ids.size());
  writer.Add<std::uint64_t>(batch.floats.size());
  for (const IdColumn& column : batch.ids) {
    writer.AddIds(column.ids);
    writer.AddValues(column.offsets);
    writer.AddValues(column.weights);
  }
  for (const FloatColumn& column : batch.floats) {
    writer.Add(column.dim);
    writer.AddValues(column.values);
  }
  writer.AddValues(batch.labels);
  writer.AddValues(batch.weights);
  writer.AddValues(batch.records);
  return writer.Take();
}

absl::Status DecodeExamples(std::string_view bytes, Batch* batch) {
  const std::size_t size = bytes.size() - std::min(bytes.size(), kCrcBytes);
  std::uint32_t crc = 0;
  const bool is_whole = Reader(bytes.substr(size)).Take(&crc) &&
                        base::Crc32c(bytes.substr(0, size)) == crc &&
                        Reader(bytes.substr(0, size)).TakeBatch(batch);
  return is_whole ? absl::OkStatus() : base::DataLoss("{} bytes of examples are damaged", size);
}

std::uint64_t MemoryBytes(const Batch& batch, std::int64_t first, std::int64_t end) {
  std::uint64_t bytes_of_each =
      SizeOfOne(batch.labels) + SizeOfOne(batch.weights) + SizeOfOne(batch.records);
  std::uint64_t bytes_of_lists = 0;
  for (const IdColumn& column : batch.ids) {
    const std::uint64_t id_bytes = sizeof(std::int64_t) + SizeOfOne(column.weights);
    if (column.offsets.empty()) {
      bytes_of_each += id_bytes;
    } else {
      const auto num_ids =
          static_cast<std::uint64_t>(column.offsets[static_cast<std::size_t>(end)] -
                                     column.offsets[static_cast<std::size_t>(first)]);
      bytes_of_each += SizeOfOne(column.offsets);
      bytes_of_lists += num_ids * id_bytes;
    }
  }
  for (const FloatColumn& column : batch.floats) {
    bytes_of_each += static_cast<std::uint64_t>(column.dim) * sizeof(float);
  }
  return bytes_of_each * static_cast<std::uint64_t>(end - first) + bytes_of_lists;
}

}  // namespace dime::worker
