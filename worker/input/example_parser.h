// worker/input/example_parser.h - framed tf.Examples to encoded examples, and to what is said about
// the bad ones.
//
// A feature is a field of the model's by its name, with one value or, for a list, as many as it
// takes: integers or floats for numbers, bytes for strings. One that is missing is the field's
// default, or an empty list. Features that the model does not
// use are passed over.
// Threads: const methods may be called from any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "models/description.h"
#include "models/record_encoder.h"
#include "runtime/base/status.h"
#include "runtime/records/example_reader.h"
#include "worker/input/record_parser.h"

namespace dime::worker {

class ExampleParser {
 public:
  // Both outlive this object.
  ExampleParser(const models::InputFormat& format, const models::RecordEncoder& encoder);

  // Parses whole records with their frames, the first of which is at byte `offset` of its file.
  // Lines are records here. kDataLoss when a record's data is damaged: what follows cannot be
  // trusted.
  [[nodiscard]] absl::StatusOr<ParsedText> Parse(std::string_view records,
                                                 std::uint64_t offset) const;

 private:
  class Scratch;

  [[nodiscard]] int FindField(std::string_view name, int guess) const;
  void ParseExample(std::string_view example, std::uint64_t offset, Scratch& scratch,
                    ParsedText* parsed) const;
  std::string TakeFeatures(Scratch& scratch) const;
  std::string TakeFeature(const records::ExampleReader::Feature& feature, int field,
                          Scratch& scratch) const;

  const models::InputFormat& format_;
  const models::RecordEncoder& encoder_;
  std::vector<int> used_fields_;  // Positions in format_.fields.
};

}  // namespace dime::worker
