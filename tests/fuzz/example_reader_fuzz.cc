// Of any bytes the example reader says what protobuf's parser says: the same features, or that they
// are no tf.Example.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/records/example_reader.h"
#include "runtime/records/proto/example.pb.h"

namespace {

using dime::records::ExampleReader;
using dime::records::proto::Feature;

template <typename Ours, typename Theirs>
bool SameBytes(const Ours& ours, const Theirs& theirs) {
  if (ours.size() != static_cast<std::size_t>(theirs.size())) return false;
  return ours.empty() ||
         std::memcmp(ours.data(), theirs.data(), ours.size() * sizeof(ours[0])) == 0;
}

bool Same(const ExampleReader& reader, const ExampleReader::Feature& ours, const Feature& theirs) {
  switch (ours.kind) {
    case ExampleReader::Kind::kNone:
      return theirs.kind_case() == Feature::KIND_NOT_SET;
    case ExampleReader::Kind::kBytes: {
      const auto values = reader.Bytes(ours);
      const auto& expected = theirs.bytes_list().value();
      return theirs.has_bytes_list() &&
             std::equal(values.begin(), values.end(), expected.begin(), expected.end());
    }
    case ExampleReader::Kind::kFloats:
      return theirs.has_float_list() && SameBytes(reader.Floats(ours), theirs.float_list().value());
    case ExampleReader::Kind::kIntegers:
      return theirs.has_int64_list() &&
             SameBytes(reader.Integers(ours), theirs.int64_list().value());
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static ExampleReader reader;
  dime::records::proto::Example message;
  const bool is_example = message.ParseFromArray(data, static_cast<int>(size));
  const bool is_read = reader.Read({reinterpret_cast<const char*>(data), size}).ok();
  DIME_CHECK(is_read == is_example);
  if (!is_read) return 0;

  std::map<std::string_view, ExampleReader::Feature> features;
  for (const ExampleReader::Feature& feature : reader.features()) features[feature.name] = feature;
  const auto& expected = message.features().feature();
  DIME_CHECK(features.size() == expected.size());
  for (const auto& [name, feature] : features) {
    const auto found = expected.find(std::string(name));
    DIME_CHECK(found != expected.end() && Same(reader, feature, found->second));
  }
  return 0;
}
