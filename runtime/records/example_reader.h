// runtime/records/example_reader.h - tf.Examples taken apart many at a time: views instead of
// copies.
//
// What protobuf's parser takes is taken, and what it refuses is refused (tests/fuzz holds it): the
// usual form of the message is read by hand, and any other one is left to protobuf.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace dime::records {

class ExampleReader {
 public:
  enum class Kind { kNone, kBytes, kFloats, kIntegers };  // kNone: no list of any kind.

  struct Feature {
    std::string_view name;
    Kind kind = Kind::kNone;
    std::size_t first = 0;  // Where its values start among all of this kind.
    std::size_t count = 0;
  };

  ExampleReader();
  ~ExampleReader();

  // Takes a message apart. What it returns is valid until the next call, and as long as
  // `serialized` is. kDataLoss when it is no tf.Example.
  absl::Status Read(std::string_view serialized);

  // Where a name is there twice, the last one counts.
  [[nodiscard]] std::span<const Feature> features() const { return features_; }

  // The values of a feature of that kind.
  [[nodiscard]] std::span<const std::string_view> Bytes(const Feature& feature) const {
    return std::span(bytes_).subspan(feature.first, feature.count);
  }
  [[nodiscard]] std::span<const float> Floats(const Feature& feature) const {
    return std::span(floats_).subspan(feature.first, feature.count);
  }
  [[nodiscard]] std::span<const std::int64_t> Integers(const Feature& feature) const {
    return std::span(integers_).subspan(feature.first, feature.count);
  }

 private:
  class Fallback;

  void Clear();
  // False where the message has not the usual form.
  bool ReadUsualForm(std::string_view serialized);
  bool ReadEntry(std::string_view entry);
  bool ReadFeature(std::string_view message, Feature* feature);
  bool ReadByteList(std::string_view list);
  bool ReadFloatList(std::string_view list);
  bool ReadIntegerList(std::string_view list);
  absl::Status ReadByProtobuf(std::string_view serialized);

  std::vector<Feature> features_;
  std::vector<std::string_view> bytes_;
  std::vector<float> floats_;
  std::vector<std::int64_t> integers_;
  std::unique_ptr<Fallback> fallback_;  // Made when it is needed first.
};

}  // namespace dime::records
