// runtime/base/checked_text.h - a first line that tells whether a page of text is as it was
// written.
//
// For pages with `#` comments, which a flipped bit would else make into other, sound ones. A page
// without the line is taken as it is: it is older, or somebody has written it by hand.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace dime::base {

// "# crc32c 1234abcd" in a line, and `text`, which is not empty.
[[nodiscard]] std::string WithChecksum(std::string_view text);

// kDataLoss: the page has not even a line, or begins with such a line, which is another text's.
// Says what to do about a page that was edited.
absl::Status CheckChecksum(std::string_view page);

}  // namespace dime::base
