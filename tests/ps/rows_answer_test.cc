#include "ps/internal/rows_answer.h"

#include <gmock/gmock.h>

#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "ps/table.h"
#include "tests/support/status_matchers.h"

namespace dime::ps::internal {
namespace {

// What was sent, end to end.
struct Sent {
  std::vector<std::byte> bytes;
  std::vector<std::size_t> frame_bytes;
  std::vector<bool> is_last;
};

RowsAnswer::SendFrame Into(Sent& sent) {
  return [&sent](std::span<const iovec> parts, bool is_last) {
    const std::size_t before = sent.bytes.size();
    for (const iovec& part : parts) {
      const auto* const first = static_cast<const std::byte*>(part.iov_base);
      sent.bytes.insert(sent.bytes.end(), first, first + part.iov_len);
    }
    sent.frame_bytes.push_back(sent.bytes.size() - before);
    sent.is_last.push_back(is_last);
  };
}

std::vector<float> FloatsOf(const Sent& sent, std::size_t head_bytes) {
  std::vector<float> values((sent.bytes.size() - head_bytes) / sizeof(float));
  std::memcpy(values.data(), sent.bytes.data() + head_bytes, values.size() * sizeof(float));
  return values;
}

// Row i's weights are i * dim, i * dim + 1, ...
std::unique_ptr<Table> NewCountingTable(std::int64_t num_rows, std::int64_t dim,
                                        ops::OptimizerKind optimizer) {
  auto table = *Table::Create({.name = "t",
                               .shape = {num_rows, dim},
                               .num_rows = num_rows,
                               .dim = dim,
                               .optimizer = {.kind = optimizer}},
                              /*seed=*/1);
  std::vector<float> values(static_cast<std::size_t>(num_rows * dim));
  std::iota(values.begin(), values.end(), 0.0f);
  table->CopyIn(/*part=*/0, 0, num_rows, values.data());
  return table;
}

constexpr std::byte kHead[16] = {std::byte{7}};

TEST(RowsAnswerTest, AShortAnswerIsOneFrame) {
  const auto small = NewCountingTable(10, 3, ops::OptimizerKind::kAdagrad);
  Sent sent;
  RowsAnswer answer;
  answer.Begin(kHead, ops::Precision::kFloat32, Into(sent));
  answer.AddRows(*small, std::vector<std::int64_t>{9, 0, 4});
  answer.AddAll(*small);
  answer.Finish();
  EXPECT_EQ(sent.frame_bytes, std::vector<std::size_t>{16 + (9 + 30) * sizeof(float)});
  EXPECT_EQ(sent.is_last, std::vector<bool>{true});
  std::vector<float> expected = {27, 28, 29, 0, 1, 2, 12, 13, 14};
  for (int i = 0; i < 30; ++i) expected.push_back(static_cast<float>(i));
  EXPECT_EQ(FloatsOf(sent, sizeof(kHead)), expected);
}

TEST(RowsAnswerTest, ALongAnswerIsCutIntoFramesAndLosesNothing) {
  // Weights with slots between them, weights without, and a row that no frame has room for.
  const auto gathered = NewCountingTable(70'000, 5, ops::OptimizerKind::kAdagrad);
  const auto in_place = NewCountingTable(40'000, 3, ops::OptimizerKind::kSgd);
  const auto long_row = NewCountingTable(2, 50'000, ops::OptimizerKind::kAdagrad);
  std::vector<std::int64_t> rows;
  std::vector<float> expected;
  for (std::int64_t row = 69'999; row >= 0; row -= 2) {
    rows.push_back(row);
    for (int i = 0; i < 5; ++i) expected.push_back(static_cast<float>(row * 5 + i));
  }
  for (const Table* const table : {gathered.get(), in_place.get(), long_row.get()}) {
    for (std::int64_t i = 0; i < table->num_rows() * table->spec().dim; ++i) {
      expected.push_back(static_cast<float>(i));
    }
  }
  Sent sent;
  RowsAnswer answer;
  for (int round = 0; round < 2; ++round) {
    sent = {};
    answer.Begin(kHead, ops::Precision::kFloat32, Into(sent));
    answer.AddRows(*gathered, rows);
    for (const Table* const table : {gathered.get(), in_place.get(), long_row.get()}) {
      answer.AddAll(*table);
    }
    answer.Finish();
    EXPECT_EQ(FloatsOf(sent, sizeof(kHead)), expected);
  }
  ASSERT_GT(sent.is_last.size(), 10u);
  for (std::size_t i = 0; i < sent.is_last.size(); ++i) {
    EXPECT_EQ(sent.is_last[i], i + 1 == sent.is_last.size());
    EXPECT_LE(sent.frame_bytes[i], (128u << 10) + 50'000 * sizeof(float));
  }
}

}  // namespace
}  // namespace dime::ps::internal
