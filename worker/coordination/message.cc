#include "worker/coordination/message.h"

#include <cstring>

namespace dime::worker {

MessageWriter& MessageWriter::Number(std::uint64_t number) {
  bytes_.append(reinterpret_cast<const char*>(&number), sizeof(number));
  return *this;
}

MessageWriter& MessageWriter::Text(std::string_view text) {
  Number(text.size());
  bytes_ += text;
  return *this;
}

absl::StatusOr<std::uint64_t> MessageReader::Number() {
  std::uint64_t number = 0;
  if (left_.size() < sizeof(number)) return base::DataLoss("a message ends within a number");
  std::memcpy(&number, left_.data(), sizeof(number));
  left_ = left_.subspan(sizeof(number));
  return number;
}

absl::StatusOr<std::uint64_t> MessageReader::Count(std::uint64_t most) {
  DIME_ASSIGN_OR_RETURN(const std::uint64_t count, Number());
  if (count <= most) return count;
  return base::DataLoss("a message announces {} of what may be {}", count, most);
}

absl::StatusOr<std::string> MessageReader::Text() {
  DIME_ASSIGN_OR_RETURN(const std::uint64_t size, Count(left_.size()));
  if (size > left_.size()) return base::DataLoss("a message ends within a text");
  const std::string text(reinterpret_cast<const char*>(left_.data()), size);
  left_ = left_.subspan(size);
  return text;
}

absl::Status MessageReader::ExpectEnd() const {
  if (left_.empty()) return absl::OkStatus();
  return base::DataLoss("a message has {} bytes more than it should", left_.size());
}

}  // namespace dime::worker
