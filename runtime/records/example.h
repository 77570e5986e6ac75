// runtime/records/example.h - tf.Example: named features of bytes, floats or integers. Protobuf
// stops here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/base/status.h"

namespace dime::records {

using ExampleFeature =
    std::variant<std::vector<std::string>, std::vector<float>, std::vector<std::int64_t>>;
using Example = std::map<std::string, ExampleFeature, std::less<>>;

absl::StatusOr<Example> ParseExample(std::string_view serialized);
// Deterministic: equal examples give equal bytes.
[[nodiscard]] std::string SerializeExample(const Example& example);

}  // namespace dime::records
