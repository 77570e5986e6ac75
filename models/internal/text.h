// models/internal/text.h - small readers of text that descriptions and records have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/text.h"

namespace dime::models::internal {

using base::Trimmed;

// The whole text as a number, blanks around it allowed. Integers as TensorFlow's DecodeCSV takes
// them; floats in decimal, "nan" and "inf" included. False, and *out as it was, when it is none or
// does not fit.
[[nodiscard]] bool ParseInt32(std::string_view text, std::int32_t* out);
[[nodiscard]] bool ParseFloat(std::string_view text, float* out);

// `text` fit for a message: at most max_bytes of it, control characters as \xNN.
[[nodiscard]] std::string Printable(std::string_view text, std::size_t max_bytes);

// 'text' for a message, cut when it is long.
[[nodiscard]] std::string Quoted(std::string_view text);

// Position of the first byte that is neither UTF-8 nor white space or printable; npos: all is well.
[[nodiscard]] std::size_t FindUnprintable(std::string_view text);

}  // namespace dime::models::internal
