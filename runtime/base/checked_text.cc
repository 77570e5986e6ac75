#include "runtime/base/checked_text.h"

#include "runtime/base/crc32c.h"

namespace dime::base {
namespace {

constexpr std::string_view kMark = "# crc32c ";

std::string LineFor(std::string_view text) { return fmt::format("{}{:08x}", kMark, Crc32c(text)); }

}  // namespace

std::string WithChecksum(std::string_view text) {
  return fmt::format("{}\n{}", LineFor(text), text);
}

absl::Status CheckChecksum(std::string_view page) {
  const std::size_t end = page.find('\n');
  if (end == std::string_view::npos) return DataLoss("it is empty, or cut in its first line");
  if (!page.starts_with(kMark)) return absl::OkStatus();
  const std::string expected = LineFor(page.substr(end + 1));
  if (page.substr(0, end) == expected) return absl::OkStatus();
  return DataLoss(
      "it is not as it was written: its first line should be '{}'; if it was changed on purpose, "
      "delete that line",
      expected);
}

}  // namespace dime::base
