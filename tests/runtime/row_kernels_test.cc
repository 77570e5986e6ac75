// Every instruction set that the processor has is held against plain loops.
#include "runtime/records/internal/row_kernels.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/records/csv.h"
#include "runtime/records/row_values.h"

namespace dime::records::internal {
namespace {

class RowKernelsTest : public ::testing::TestWithParam<const RowKernels*> {};

// The starts of the fields of the rows at the start of a text.
std::vector<std::uint32_t> PlainScan(std::string_view text, std::size_t num_fields,
                                     std::size_t max_rows, std::size_t* num_rows) {
  std::vector<std::uint32_t> starts = {0};
  std::vector<std::uint32_t> of_whole_rows = starts;
  *num_rows = 0;
  for (std::size_t i = 0; i < text.size() / kScanBytes * kScanBytes && text[i] != '"'; ++i) {
    if (text[i] != ',' && text[i] != '\n') continue;
    starts.push_back(static_cast<std::uint32_t>(i + 1));
    if (text[i] == ',') continue;
    if (starts.size() - 1 != (*num_rows + 1) * num_fields || *num_rows == max_rows) break;
    ++*num_rows;
    of_whole_rows = starts;
  }
  return of_whole_rows;
}

TEST_P(RowKernelsTest, ScanFindsTheRowsThatAPlainLoopFinds) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 3000; ++i) {
    const std::size_t num_fields = 1 + random() % 5;
    const std::size_t max_rows = 1 + random() % 300;
    const std::uint64_t rareness = 1 + random() % 2000;
    std::string text;
    while (text.size() < 1000) {
      for (std::size_t f = 0; f < num_fields; ++f) {
        text += std::string(random() % 9, 'x') + (f + 1 < num_fields ? ',' : '\n');
        if (random() % rareness == 0) text += ",\n\""[random() % 3];
      }
    }
    std::vector<std::uint32_t> starts(max_rows * num_fields + kScanBytes + 1);
    const std::size_t num_rows = GetParam()->scan_rows({.text = text.data(),
                                                        .num_bytes = text.size(),
                                                        .separator = ',',
                                                        .num_fields = num_fields,
                                                        .max_rows = max_rows,
                                                        .starts = starts.data(),
                                                        .capacity = starts.size()});
    std::size_t expected_rows = 0;
    const auto expected = PlainScan(text, num_fields, max_rows, &expected_rows);
    ASSERT_EQ(num_rows, expected_rows) << ::testing::PrintToString(text);
    starts.resize(1 + num_rows * num_fields);
    ASSERT_EQ(starts, expected) << ::testing::PrintToString(text);
  }
}

// Texts as a column, with bytes behind them that may be read.
struct Texts {
  explicit Texts(const std::vector<std::string>& all) {
    for (const std::string& one : all) {
      starts.push_back(static_cast<std::uint32_t>(text.size()));
      text += one + ',';
    }
    starts.push_back(static_cast<std::uint32_t>(text.size()));
    text.append(TextRows::kReadableBytes, '7');
  }
  [[nodiscard]] FieldColumn column() const {
    return {.text = text.data(), .starts = starts.data(), .stride = 1, .is_last = false};
  }

  std::string text;
  std::vector<std::uint32_t> starts;
};

TEST_P(RowKernelsTest, DigitsAreReadAndOthersNamed) {
  std::vector<std::string> all = {"",
                                  " ",
                                  "0",
                                  " 0",
                                  "7",
                                  "-1",
                                  "+1",
                                  "1 ",
                                  "1a",
                                  "a1",
                                  "1.5",
                                  "  1",
                                  "12345678",
                                  "99999999",
                                  " 00000001",
                                  "123456789",
                                  "1,2",
                                  "\xff"
                                  "1",
                                  "1\x80",
                                  "/",
                                  ":"};
  std::mt19937_64 random(1);
  for (int i = 0; i < 500; ++i)
    all.push_back(std::to_string(random() % 100000000 >> random() % 26));
  for (int byte = 0; byte < 256; ++byte) all.push_back({'1', static_cast<char>(byte), '2'});
  const Texts texts(all);
  std::vector<float> numbers(all.size());
  const auto is_other = std::make_unique<bool[]>(all.size());
  GetParam()->read_digits(texts.column(), all.size(), numbers.data(), is_other.get());
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::string_view digits = all[i];
    if (digits.starts_with(' ')) digits.remove_prefix(1);
    const bool expected = !digits.empty() && digits.size() <= 8 &&
                          digits.find_first_not_of("0123456789") == digits.npos;
    EXPECT_EQ(is_other[i], !expected) << ::testing::PrintToString(all[i]);
    if (!expected) continue;
    EXPECT_EQ(numbers[i], std::stof(std::string(digits))) << all[i];
  }
}

TEST_P(RowKernelsTest, AnyNumberOfRowsIsReadAndNoneBehindThem) {
  std::vector<std::string> all;
  for (int i = 0; i < 40; ++i) all.push_back(i % 5 == 3 ? "x" : std::to_string(i));
  const Texts texts(all);
  for (std::size_t num_rows = 0; num_rows <= all.size(); ++num_rows) {
    std::vector<float> numbers(all.size(), -1.0f);
    const auto is_other = std::make_unique<bool[]>(all.size());
    GetParam()->read_digits(texts.column(), num_rows, numbers.data(), is_other.get());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const bool is_read = i < num_rows;
      EXPECT_EQ(is_other[i], is_read && i % 5 == 3) << i << " of " << num_rows;
      if (is_other[i]) continue;
      EXPECT_EQ(numbers[i], is_read ? static_cast<float>(i) : -1.0f) << i << " of " << num_rows;
    }
  }
}

TEST_P(RowKernelsTest, OnlyEqualTextsMatch) {
  std::vector<std::string> all;
  for (std::size_t size = 0; size <= 33; ++size) {
    all.emplace_back(size, 'a');
    all.emplace_back(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
      all.emplace_back(size, 'a');
      all.back()[i] = 'b';
    }
  }
  const Texts texts(all);
  TextKey empty;
  empty.bytes[kMaxKeyTextBytes] = -1;
  for (std::size_t known = 0; known < all.size(); ++known) {
    std::vector<TextKey> keys(kNumTextSlots, empty);
    std::vector<std::uint16_t> slots(all.size());
    ASSERT_EQ(GetParam()->match_texts(texts.column(), known, all.size(), keys.data(), slots.data()),
              known);
    const std::uint16_t slot = slots[known];
    ASSERT_EQ(slot == kNumTextSlots, all[known].size() > kMaxKeyTextBytes);
    if (slot == kNumTextSlots) continue;
    keys[slot] = {};
    std::memcpy(keys[slot].bytes, all[known].data(), all[known].size());
    keys[slot].bytes[kMaxKeyTextBytes] = static_cast<char>(all[known].size());
    for (std::size_t row = 0; row < all.size(); ++row) {
      const std::size_t end =
          GetParam()->match_texts(texts.column(), row, row + 1, keys.data(), slots.data());
      ASSERT_EQ(end == row + 1, all[row] == all[known])
          << ::testing::PrintToString(all[row]) << ::testing::PrintToString(all[known]);
    }
  }
}

TEST_P(RowKernelsTest, ShortTextsSpreadOverTheSlots) {
  std::vector<std::string> all;
  for (int i = 0; i < 256; ++i) all.push_back(fmt::format(" value {} of a field", i));
  const Texts texts(all);
  TextKey empty;
  empty.bytes[kMaxKeyTextBytes] = -1;
  const std::vector<TextKey> keys(kNumTextSlots, empty);
  std::vector<std::uint16_t> slots(all.size());
  std::vector<bool> taken(kNumTextSlots);
  for (std::size_t row = 0; row < all.size(); ++row) {
    GetParam()->match_texts(texts.column(), row, row + 1, keys.data(), slots.data());
    taken[slots[row]] = true;
  }
  // 512 slots, 256 throws: 201 on the average.
  EXPECT_GT(std::count(taken.begin(), taken.end(), true), 170);
}

INSTANTIATE_TEST_SUITE_P(Sets, RowKernelsTest,
                         ::testing::ValuesIn(SupportedRowKernels().begin(),
                                             SupportedRowKernels().end()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace dime::records::internal
