// models/internal/vocabulary_file.h - a vocabulary in a file: one entry a line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace dime::models::internal {

inline constexpr std::int64_t kMaxVocabularySize = std::int64_t{1} << 26;
inline constexpr std::uint64_t kMaxVocabularyBytes = std::uint64_t{1} << 28;

// The first `size` entries (0: all), without blanks around them. They differ from each other and
// from nothing; kInvalidArgument names the line that does not.
absl::StatusOr<std::vector<std::string>> LoadVocabulary(const std::string& path, std::int64_t size);

// The file's content for these entries.
[[nodiscard]] std::string FormatVocabulary(std::span<const std::string> vocabulary);

// Tells vocabularies apart.
[[nodiscard]] std::uint64_t FingerprintOf(std::span<const std::string> vocabulary);

}  // namespace dime::models::internal
