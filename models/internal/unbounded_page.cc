#include "models/internal/unbounded_page.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace dime::models::internal {
namespace {

constexpr std::int64_t kMostSightings = 10'000;
constexpr std::int64_t kMostSteps = std::int64_t{1} << 31;
constexpr std::int64_t kLeastBytes = std::int64_t{1} << 20;
constexpr std::int64_t kMostBytes = std::int64_t{1} << 37;

constexpr std::pair<std::string_view, int> kUnits[] = {
    {"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};

std::optional<std::int64_t> ParseBytes(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number > kMostBytes) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& [name, bits] : kUnits) {
    if (unit == name && number <= (kMostBytes >> bits)) return number << bits;
  }
  return std::nullopt;
}

}  // namespace

absl::Status ReadUnbounded(const YamlNode& node, ops::UnboundedRows* rows) {
  DIME_RETURN_IF_ERROR(CheckKeys(node, {"max_bytes"}, {"admit_after", "evict_after_steps"}));
  DIME_RETURN_IF_ERROR(
      ReadInteger(node.Find("admit_after"), 1, kMostSightings, &rows->admit_after));
  DIME_RETURN_IF_ERROR(
      ReadInteger(node.Find("evict_after_steps"), 0, kMostSteps, &rows->evict_after_steps));
  const YamlNode& size = *node.Find("max_bytes");
  std::string text;
  DIME_RETURN_IF_ERROR(ReadText(&size, &text));
  const std::optional<std::int64_t> bytes = ParseBytes(text);
  if (!bytes || *bytes < kLeastBytes) {
    return size.Error("is '{}'; a size from 1MiB to 128GiB is expected: 512MiB, 1GiB", text);
  }
  rows->max_bytes = *bytes;
  return absl::OkStatus();
}

YamlNode WriteUnbounded(const ops::UnboundedRows& rows) {
  const auto number = [](std::int64_t value) { return YamlNode::Text(fmt::format("{}", value)); };
  YamlNode node = YamlNode::Map();
  if (rows.admit_after > 1) node.Add("admit_after", number(rows.admit_after));
  if (rows.evict_after_steps > 0) node.Add("evict_after_steps", number(rows.evict_after_steps));
  const bool is_whole = rows.max_bytes % kLeastBytes == 0;
  node.Add("max_bytes", is_whole
                            ? YamlNode::Text(fmt::format("{}MiB", rows.max_bytes / kLeastBytes))
                            : number(rows.max_bytes));
  return node;
}

}  // namespace dime::models::internal
