// cli/draft/sample_text.h - the beginning of a data file, in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/base/status.h"

namespace dime::cli {

struct SampleText {
  std::string text;  // Whole lines.
  bool is_whole_file = false;
  bool is_gzip = false;  // The file; the text is what it holds.
};

inline constexpr std::size_t kMaxSampleBytes = std::size_t{64} << 20;

// At least `num_lines` lines of a text file, plain or gzip, if it has as many, and if they fit into
// kMaxSampleBytes. kDataLoss for a file that is empty or no text, with what it looks like instead.
absl::StatusOr<SampleText> ReadSampleText(const std::string& path, std::int64_t num_lines);

}  // namespace dime::cli
