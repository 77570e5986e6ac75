#include "runtime/records/example_reader.h"

#include <algorithm>
#include <cstring>

#include "runtime/records/parse_message.h"
#include "runtime/records/proto/example.pb.h"

namespace dime::records {
namespace {

// Tags of proto/example.proto's fields: the number and the wire type, in one byte each.
constexpr char kLengthDelimited1 = (1 << 3) | 2;
constexpr char kLengthDelimited2 = (2 << 3) | 2;
constexpr char kLengthDelimited3 = (3 << 3) | 2;
constexpr char kFixed32 = (1 << 3) | 5;
constexpr char kVarint = 1 << 3;

constexpr int kMaxLengthBytes = 4;  // Longer messages than 256 MiB are not the usual form.

// Reads a message's parts one after another. A part that is not all there is no part.
class Cursor {
 public:
  explicit Cursor(std::string_view message)
      : next_(message.data()), end_(message.data() + message.size()) {}

  [[nodiscard]] bool at_end() const { return next_ == end_; }

  bool Take(char* byte) {
    if (at_end()) return false;
    *byte = *next_++;
    return true;
  }

  bool TakeVarint(std::uint64_t* value, int max_bytes) {
    std::uint64_t result = 0;
    for (int i = 0; i < max_bytes && next_ != end_; ++i) {
      const auto byte = static_cast<std::uint8_t>(*next_++);
      if (i == 9 && byte > 1) return false;  // More than 64 bits.
      result |= std::uint64_t{byte & 0x7fu} << (7 * i);
      if (byte < 0x80) {
        *value = result;
        return true;
      }
    }
    return false;
  }

  bool TakeLengthDelimited(std::string_view* part) {
    std::uint64_t length = 0;
    if (!TakeVarint(&length, kMaxLengthBytes)) return false;
    if (length > static_cast<std::uint64_t>(end_ - next_)) return false;
    *part = {next_, static_cast<std::size_t>(length)};
    next_ += length;
    return true;
  }

  bool TakeFloat(float* value) {
    if (end_ - next_ < static_cast<std::ptrdiff_t>(sizeof(*value))) return false;
    std::memcpy(value, next_, sizeof(*value));
    next_ += sizeof(*value);
    return true;
  }

 private:
  const char* next_;
  const char* end_;
};

bool IsAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<std::uint8_t>(c) < 0x80; });
}

}  // namespace

class ExampleReader::Fallback {
 public:
  proto::Example message;
};

ExampleReader::ExampleReader() = default;
ExampleReader::~ExampleReader() = default;

void ExampleReader::Clear() {
  features_.clear();
  bytes_.clear();
  floats_.clear();
  integers_.clear();
}

absl::Status ExampleReader::Read(std::string_view serialized) {
  Clear();
  if (ReadUsualForm(serialized)) return absl::OkStatus();
  Clear();
  return ReadByProtobuf(serialized);
}

// Example: one Features, which is a map: a list of entries.
bool ExampleReader::ReadUsualForm(std::string_view serialized) {
  if (serialized.empty()) return true;
  Cursor example(serialized);
  char tag = 0;
  std::string_view features;
  if (!example.Take(&tag) || tag != kLengthDelimited1) return false;
  if (!example.TakeLengthDelimited(&features) || !example.at_end()) return false;
  Cursor entries(features);
  while (!entries.at_end()) {
    std::string_view entry;
    if (!entries.Take(&tag) || tag != kLengthDelimited1) return false;
    if (!entries.TakeLengthDelimited(&entry) || !ReadEntry(entry)) return false;
  }
  return true;
}

// A name, then a Feature.
bool ExampleReader::ReadEntry(std::string_view entry) {
  Cursor parts(entry);
  char tag = 0;
  Feature feature;
  std::string_view message;
  if (!parts.Take(&tag) || tag != kLengthDelimited1) return false;
  // Names that are no UTF-8 are refused; protobuf is the one to know.
  if (!parts.TakeLengthDelimited(&feature.name) || !IsAscii(feature.name)) return false;
  if (!parts.Take(&tag) || tag != kLengthDelimited2) return false;
  if (!parts.TakeLengthDelimited(&message) || !parts.at_end()) return false;
  if (!ReadFeature(message, &feature)) return false;
  features_.push_back(feature);
  return true;
}

// One list of one of three kinds, or nothing.
bool ExampleReader::ReadFeature(std::string_view message, Feature* feature) {
  if (message.empty()) return true;
  Cursor parts(message);
  char tag = 0;
  std::string_view list;
  if (!parts.Take(&tag) || !parts.TakeLengthDelimited(&list) || !parts.at_end()) return false;
  const auto read = [&](Kind kind, const auto& values, auto read_list) {
    feature->kind = kind;
    feature->first = values.size();
    if (!(this->*read_list)(list)) return false;
    feature->count = values.size() - feature->first;
    return true;
  };
  switch (tag) {
    case kLengthDelimited1:
      return read(Kind::kBytes, bytes_, &ExampleReader::ReadByteList);
    case kLengthDelimited2:
      return read(Kind::kFloats, floats_, &ExampleReader::ReadFloatList);
    case kLengthDelimited3:
      return read(Kind::kIntegers, integers_, &ExampleReader::ReadIntegerList);
    default:
      return false;
  }
}

bool ExampleReader::ReadByteList(std::string_view list) {
  Cursor values(list);
  while (!values.at_end()) {
    char tag = 0;
    if (!values.Take(&tag) || tag != kLengthDelimited1) return false;
    if (!values.TakeLengthDelimited(&bytes_.emplace_back())) return false;
  }
  return true;
}

// Packed together, or one by one.
bool ExampleReader::ReadFloatList(std::string_view list) {
  Cursor values(list);
  while (!values.at_end()) {
    char tag = 0;
    std::string_view packed;
    if (!values.Take(&tag)) return false;
    if (tag == kFixed32) {
      if (!values.TakeFloat(&floats_.emplace_back())) return false;
      continue;
    }
    if (tag != kLengthDelimited1 || !values.TakeLengthDelimited(&packed)) return false;
    for (Cursor items(packed); !items.at_end();) {
      if (!items.TakeFloat(&floats_.emplace_back())) return false;
    }
  }
  return true;
}

bool ExampleReader::ReadIntegerList(std::string_view list) {
  constexpr int kMaxVarintBytes = 10;
  const auto take = [this](Cursor& items) {
    std::uint64_t value = 0;
    if (!items.TakeVarint(&value, kMaxVarintBytes)) return false;
    integers_.push_back(static_cast<std::int64_t>(value));
    return true;
  };
  Cursor values(list);
  while (!values.at_end()) {
    char tag = 0;
    std::string_view packed;
    if (!values.Take(&tag)) return false;
    if (tag == kVarint) {
      if (!take(values)) return false;
      continue;
    }
    if (tag != kLengthDelimited1 || !values.TakeLengthDelimited(&packed)) return false;
    for (Cursor items(packed); !items.at_end();) {
      if (!take(items)) return false;
    }
  }
  return true;
}

absl::Status ExampleReader::ReadByProtobuf(std::string_view serialized) {
  if (fallback_ == nullptr) fallback_ = std::make_unique<Fallback>();
  proto::Example& message = fallback_->message;
  if (!ParseMessage(serialized, &message)) {
    return base::DataLoss("{} bytes are not a tf.Example", serialized.size());
  }
  const auto append = [](const auto& values, Kind kind, auto* to, Feature* feature) {
    feature->kind = kind;
    feature->first = to->size();
    feature->count = static_cast<std::size_t>(values.size());
    to->insert(to->end(), values.begin(), values.end());
  };
  for (const auto& [name, value] : message.features().feature()) {
    Feature& feature = features_.emplace_back();
    feature.name = name;
    switch (value.kind_case()) {
      case proto::Feature::kBytesList:
        append(value.bytes_list().value(), Kind::kBytes, &bytes_, &feature);
        break;
      case proto::Feature::kFloatList:
        append(value.float_list().value(), Kind::kFloats, &floats_, &feature);
        break;
      case proto::Feature::kInt64List:
        append(value.int64_list().value(), Kind::kIntegers, &integers_, &feature);
        break;
      case proto::Feature::KIND_NOT_SET:
        break;
    }
  }
  return absl::OkStatus();
}

}  // namespace dime::records
