#include "ps/wire.h"

#include <cstring>

namespace dime::ps {
namespace {

constexpr std::size_t kMaxTextBytes = 4096;

}  // namespace

std::string EncodeStatus(const absl::Status& status) {
  const auto code = static_cast<std::uint32_t>(status.code());
  std::string bytes(reinterpret_cast<const char*>(&code), sizeof(code));
  bytes += base::MessageOf(status).substr(0, kMaxTextBytes);
  return bytes;
}

absl::Status DecodeStatus(std::string_view bytes) {
  std::uint32_t code = 0;
  if (bytes.size() < sizeof(code) || bytes.size() > sizeof(code) + kMaxTextBytes) {
    return base::DataLoss("a refusal of {} bytes", bytes.size());
  }
  std::memcpy(&code, bytes.data(), sizeof(code));
  constexpr auto kLastCode = static_cast<std::uint32_t>(absl::StatusCode::kUnauthenticated);
  if (code == 0 || code > kLastCode) return base::DataLoss("a refusal with the code {}", code);
  const std::string text(bytes.substr(sizeof(code)));
  return absl::Status(static_cast<absl::StatusCode>(code), text);
}

absl::Status PayloadReader::ExpectEnd() const {
  if (left_.empty()) return absl::OkStatus();
  return base::DataLoss("a message has {} bytes more than it should", left_.size());
}

}  // namespace dime::ps
