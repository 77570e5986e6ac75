#include "ps/internal/rows_answer.h"

#include <algorithm>
#include <utility>

namespace dime::ps::internal {

void RowsAnswer::Begin(std::span<const std::byte> head, ops::Precision precision, SendFrame send) {
  precision_ = precision;
  send_ = std::move(send);
  parts_.clear();
  size_ = 0;
  num_gathered_ = 0;
  Add(head.data(), head.size());
}

void RowsAnswer::AddAll(const Table& table) {
  const std::int64_t dim = table.spec().dim;
  if (precision_ != ops::Precision::kFloat32) {
    return AddHalves(dim, table.num_rows(), [&](std::int64_t first, std::span<float> rows) {
      table.CopyOut(/*part=*/0, first, std::ssize(rows) / dim, rows.data());
    });
  }
  // Where no slots stand in between, weights lie one after another.
  if (table.num_rows() == 1 || table.record_floats() == dim) {
    return AddInPlace(table.weights(0).data(), static_cast<std::size_t>(table.num_rows() * dim));
  }
  for (std::int64_t first = 0; first < table.num_rows();) {
    const std::span<float> room = Room(dim, table.num_rows() - first);
    const std::int64_t count = std::ssize(room) / dim;
    table.CopyOut(/*part=*/0, first, count, room.data());
    first += count;
  }
}

void RowsAnswer::AddRows(const RowTable& table, std::span<const std::int64_t> rows) {
  if (precision_ != ops::Precision::kFloat32) {
    const auto dim = static_cast<std::size_t>(table.spec().dim);
    return AddHalves(
        table.spec().dim, std::ssize(rows), [&](std::int64_t first, std::span<float> values) {
          table.Gather(rows.subspan(static_cast<std::size_t>(first), values.size() / dim), values);
        });
  }
  while (!rows.empty()) {
    const std::span<float> room = Room(table.spec().dim, std::ssize(rows));
    const std::size_t count = room.size() / static_cast<std::size_t>(table.spec().dim);
    table.Gather(rows.first(count), room);
    rows = rows.subspan(count);
  }
}

void RowsAnswer::AddValues(std::int64_t dim, std::span<const float> values) {
  if (precision_ == ops::Precision::kFloat32) return AddInPlace(values.data(), values.size());
  AddHalves(dim, std::ssize(values) / dim, [&](std::int64_t first, std::span<float> rows) {
    const auto at = static_cast<std::size_t>(first * dim);
    std::ranges::copy(values.subspan(at, rows.size()), rows.begin());
  });
}

template <typename Fill>
void RowsAnswer::AddHalves(std::int64_t dim, std::int64_t count, const Fill& fill) {
  constexpr auto kFrameFloats = static_cast<std::int64_t>(kFrameBytes / sizeof(float));
  const std::int64_t rows_at_once = std::max<std::int64_t>(1, kFrameFloats / dim);
  for (std::int64_t first = 0; first < count; first += rows_at_once) {
    const std::int64_t num_rows = std::min(rows_at_once, count - first);
    const auto size = static_cast<std::size_t>(num_rows * dim);
    unconverted_.resize(size);
    fill(first, unconverted_);
    if (num_gathered_ > 0) Send(/*is_last=*/false);
    gathered_.resize(std::max(gathered_.size(), (size + 1) / 2));
    auto* const halves = reinterpret_cast<std::uint16_t*>(gathered_.data());
    ops::ToHalves(precision_, unconverted_, {halves, size});
    num_gathered_ = (size + 1) / 2;
    Add(halves, size * sizeof(std::uint16_t));
  }
}

void RowsAnswer::AddInPlace(const float* values, std::size_t count) {
  while (count > 0) {
    if (size_ >= kFrameBytes) Send(/*is_last=*/false);
    const std::size_t fit =
        std::min(count, std::max<std::size_t>(1, (kFrameBytes - size_) / sizeof(float)));
    Add(values, fit * sizeof(float));
    values += fit;
    count -= fit;
  }
}

std::span<float> RowsAnswer::Room(std::int64_t dim, std::int64_t count) {
  const std::size_t row_bytes = static_cast<std::size_t>(dim) * sizeof(float);
  if (size_ + row_bytes > kFrameBytes && num_gathered_ > 0) Send(/*is_last=*/false);
  const std::size_t left = size_ < kFrameBytes ? kFrameBytes - size_ : 0;
  const std::size_t num_rows =
      std::min(static_cast<std::size_t>(count), std::max<std::size_t>(1, left / row_bytes));
  const std::size_t num_floats = num_rows * static_cast<std::size_t>(dim);
  // A vector that grew would leave parts behind that point into its old memory.
  if (num_gathered_ + num_floats > gathered_.size()) {
    if (num_gathered_ > 0) Send(/*is_last=*/false);
    gathered_.resize(std::max(gathered_.size(), std::max(num_floats, kFrameBytes / sizeof(float))));
  }
  const std::span<float> room = std::span(gathered_).subspan(num_gathered_, num_floats);
  num_gathered_ += num_floats;
  Add(room.data(), room.size_bytes());
  return room;
}

void RowsAnswer::Add(const void* data, std::size_t size) {
  parts_.push_back({const_cast<void*>(data), size});
  size_ += size;
}

void RowsAnswer::Send(bool is_last) {
  send_(parts_, is_last);
  parts_.clear();
  size_ = 0;
  num_gathered_ = 0;
}

}  // namespace dime::ps::internal
