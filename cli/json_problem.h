// cli/json_problem.h - what is wrong with a line that should be one JSON value.
#pragma once

#include <string>
#include <string_view>

namespace dime::cli {

// The reason, the column (in bytes, from 1), a piece of the line and, where it helps, what to do:
// "invalid literal in column 9, at '{"age": NaN}'; JSON has no NaN and no Infinity". "" for a line
// that is well-formed. Nesting costs no stack.
[[nodiscard]] std::string FindJsonProblem(std::string_view line);

}  // namespace dime::cli
