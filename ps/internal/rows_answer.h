// ps/internal/rows_answer.h - the rows that a pull asked for, on their way to the worker.
//
// A long answer goes in several frames: rows are gathered, checksummed and sent while they are in
// the processor's cache, and the worker receives the first ones while the last are gathered.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "ops/half.h"
#include "ps/table.h"

namespace dime::ps::internal {

class RowsAnswer {
 public:
  // Sends a part of the answer, which is read before it returns. `is_last`: no other follows.
  using SendFrame = std::function<void(std::span<const iovec> payload, bool is_last)>;

  // Begins an answer with these bytes, which stay where they are until Finish().
  void Begin(std::span<const std::byte> head, ops::Precision precision, SendFrame send);
  // All rows of a table.
  void AddAll(const Table& table);
  // The weights of these rows.
  void AddRows(const RowTable& table, std::span<const std::int64_t> rows);
  // These values, whole rows of `dim`, which stay where they are until Finish().
  void AddValues(std::int64_t dim, std::span<const float> values);
  void Finish() { Send(/*is_last=*/true); }

 private:
  static constexpr std::size_t kFrameBytes = std::size_t{128} << 10;

  // Values that `fill(first, rows)` writes, a few rows at a time, in 16 bits.
  template <typename Fill>
  void AddHalves(std::int64_t dim, std::int64_t count, const Fill& fill);
  void AddInPlace(const float* values, std::size_t count);
  // Room for the values of some rows, `count` at most.
  std::span<float> Room(std::int64_t dim, std::int64_t count);
  void Add(const void* data, std::size_t size);
  void Send(bool is_last);

  SendFrame send_;
  ops::Precision precision_ = ops::Precision::kFloat32;
  std::vector<iovec> parts_;  // Of the frame that is being made.
  std::size_t size_ = 0;      // [bytes]
  std::vector<float> gathered_;
  std::size_t num_gathered_ = 0;  // Floats of this frame.
  std::vector<float> unconverted_;
};

}  // namespace dime::ps::internal
