// runtime/base/suggest.h - "did you mean ...?" for names that a user mistyped.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace dime::base {

// The candidate nearest to `word` by edit distance, or "" when none is near enough to be worth
// suggesting.
[[nodiscard]] std::string Nearest(std::string_view word, std::span<const std::string> candidates);

// "; did you mean 'x'?" for the nearest candidate, or "".
[[nodiscard]] std::string DidYouMean(std::string_view word,
                                     std::span<const std::string> candidates);

}  // namespace dime::base
