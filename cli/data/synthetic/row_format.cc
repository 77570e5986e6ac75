#include "cli/data/synthetic/row_format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <vector>

#include "runtime/base/check.h"
#include "runtime/records/tfrecord.h"

namespace dime::cli {
namespace {

constexpr std::size_t kHexDigits = 8;
constexpr std::size_t kMaxCellBytes = 64;  // With its name, separator or wrapping.
constexpr std::size_t kMaxCells = 64;

// The two digits of every byte.
constexpr std::array<std::array<char, 2>, 256> kHexPairs = [] {
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kDigits[i / 16], kDigits[i % 16]};
  return pairs;
}();

// Bytes go to the end of a buffer that is large enough for any row.
class RowBuffer {
 public:
  void Add(char c) { *end_++ = c; }
  void Add(std::string_view text) {
    std::memcpy(end_, text.data(), text.size());
    end_ += text.size();
  }
  void AddDecimal(std::int32_t value) {
    end_ = std::to_chars(end_, end_ + kHexDigits * 2, value).ptr;
  }
  void AddHex(std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) Add({kHexPairs[value >> shift & 0xff].data(), 2});
  }
  // Protocol Buffers' variable-length integer.
  void AddVarint(std::uint64_t value) {
    constexpr std::uint64_t kMore = 0x80;
    for (; value >= kMore; value >>= 7) Add(static_cast<char>(value | kMore));
    Add(static_cast<char>(value));
  }
  [[nodiscard]] std::string_view text() const {
    return {bytes_.data(), static_cast<std::size_t>(end_ - bytes_.data())};
  }

 private:
  std::array<char, kMaxCells * kMaxCellBytes> bytes_;
  char* end_ = bytes_.data();
};

class CsvFormat : public RowFormat {
 public:
  explicit CsvFormat(const SyntheticRows& rows) : separator_(rows.separator()) {}

  void Append(std::span<const Cell> cells, std::string* out) const override {
    RowBuffer row;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) row.Add(separator_);
      switch (cells[i].kind) {
        case Cell::Kind::kMissing:
          break;
        case Cell::Kind::kInteger:
          row.AddDecimal(cells[i].integer);
          break;
        case Cell::Kind::kText:
          row.Add(cells[i].text);
          break;
        case Cell::Kind::kHex:
          row.AddHex(cells[i].hex);
          break;
      }
    }
    row.Add('\n');
    out->append(row.text());
  }

 private:
  const std::string_view separator_;
};

std::size_t VarintBytes(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

// A tf.Example is {1: {1: [{1: name, 2: {1: {1: bytes}} or {3: {1: packed integers}}}]}}: every
// level a tag, a length and what is inside.
class ExampleFormat : public RowFormat {
 public:
  explicit ExampleFormat(const SyntheticRows& rows)
      : names_(rows.columns()), blanks_(rows.separator().substr(1)), order_(names_.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::ranges::sort(order_, {},
                      [this](std::size_t i) -> const std::string& { return names_[i]; });
  }

  void Append(std::span<const Cell> cells, std::string* out) const override {
    RowBuffer features;
    for (const std::size_t column : order_) AddFeature(names_[column], cells[column], &features);
    RowBuffer example;
    example.Add(kFirst);
    example.AddVarint(features.text().size());
    example.Add(features.text());
    records::AppendRecord(example.text(), out);
  }

 private:
  // Tags: a field's number, and that a length follows.
  static constexpr char kFirst = 1 << 3 | 2;
  static constexpr char kSecond = 2 << 3 | 2;
  static constexpr char kThird = 3 << 3 | 2;

  // Lengths are below 128, a byte each.
  void AddFeature(std::string_view name, const Cell& cell, RowBuffer* out) const {
    if (cell.kind == Cell::Kind::kMissing) return;
    const bool is_integer = cell.kind == Cell::Kind::kInteger;
    const auto integer = static_cast<std::uint64_t>(std::int64_t{cell.integer});
    const std::size_t text_bytes = cell.kind == Cell::Kind::kHex ? kHexDigits : cell.text.size();
    const std::size_t value_bytes = is_integer ? VarintBytes(integer) : blanks_.size() + text_bytes;
    const auto list_bytes = static_cast<char>(2 + value_bytes);
    const auto feature_bytes = static_cast<char>(2 + list_bytes);
    out->Add(kFirst);
    out->Add(static_cast<char>(2 + name.size() + 2 + static_cast<std::size_t>(feature_bytes)));
    out->Add(kFirst);
    out->Add(static_cast<char>(name.size()));
    out->Add(name);
    out->Add(kSecond);
    out->Add(feature_bytes);
    out->Add(is_integer ? kThird : kFirst);
    out->Add(list_bytes);
    out->Add(kFirst);
    out->Add(static_cast<char>(value_bytes));
    if (is_integer) return out->AddVarint(integer);
    out->Add(blanks_);
    if (cell.kind == Cell::Kind::kHex) return out->AddHex(cell.hex);
    out->Add(cell.text);
  }

  const std::vector<std::string>& names_;
  const std::string_view blanks_;   // Before a text, where the CSV has them.
  std::vector<std::size_t> order_;  // Columns by name.
};

}  // namespace

std::unique_ptr<const RowFormat> MakeRowFormat(RecordFormat format, const SyntheticRows& rows) {
  DIME_CHECK(rows.columns().size() <= kMaxCells);
  if (format == RecordFormat::kCsv) return std::make_unique<CsvFormat>(rows);
  return std::make_unique<ExampleFormat>(rows);
}

}  // namespace dime::cli
