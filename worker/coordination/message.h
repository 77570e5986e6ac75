// worker/coordination/message.h - numbers and texts to bytes and back, for what goes through the
// coordinator.
//
// A number is 8 bytes, little-endian; a text is its length, as a number, and its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace dime::worker {

class MessageWriter {
 public:
  MessageWriter& Number(std::uint64_t number);
  MessageWriter& Text(std::string_view text);
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Takes off the front what a writer has put in, in the same order. kDataLoss when it is not there.
class MessageReader {
 public:
  explicit MessageReader(std::span<const std::byte> bytes) : left_(bytes) {}
  explicit MessageReader(std::string_view bytes) : left_(std::as_bytes(std::span(bytes))) {}

  absl::StatusOr<std::uint64_t> Number();
  // At most `most`, which is how many of something follow.
  absl::StatusOr<std::uint64_t> Count(std::uint64_t most);
  absl::StatusOr<std::string> Text();
  // kDataLoss when bytes are left.
  [[nodiscard]] absl::Status ExpectEnd() const;

 private:
  std::span<const std::byte> left_;
};

}  // namespace dime::worker
