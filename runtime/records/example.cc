#include "runtime/records/example.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <utility>

#include "runtime/records/parse_message.h"
#include "runtime/records/proto/example.pb.h"

namespace dime::records {
namespace {

ExampleFeature FromProto(const proto::Feature& feature) {
  switch (feature.kind_case()) {
    case proto::Feature::kFloatList: {
      const auto& values = feature.float_list().value();
      return std::vector<float>(values.begin(), values.end());
    }
    case proto::Feature::kInt64List: {
      const auto& values = feature.int64_list().value();
      return std::vector<std::int64_t>(values.begin(), values.end());
    }
    case proto::Feature::kBytesList:
    case proto::Feature::KIND_NOT_SET:
      break;
  }
  const auto& values = feature.bytes_list().value();
  return std::vector<std::string>(values.begin(), values.end());
}

struct ToProto {
  proto::Feature* feature;

  void operator()(const std::vector<std::string>& values) const {
    for (const std::string& value : values) feature->mutable_bytes_list()->add_value(value);
  }
  void operator()(const std::vector<float>& values) const {
    feature->mutable_float_list()->mutable_value()->Add(values.begin(), values.end());
  }
  void operator()(const std::vector<std::int64_t>& values) const {
    feature->mutable_int64_list()->mutable_value()->Add(values.begin(), values.end());
  }
};

}  // namespace

absl::StatusOr<Example> ParseExample(std::string_view serialized) {
  proto::Example message;
  if (!ParseMessage(serialized, &message)) {
    return base::DataLoss("{} bytes are not a tf.Example", serialized.size());
  }
  Example example;
  for (const auto& [name, feature] : message.features().feature()) {
    example.emplace(name, FromProto(feature));
  }
  return example;
}

std::string SerializeExample(const Example& example) {
  proto::Example message;
  auto& features = *message.mutable_features()->mutable_feature();
  for (const auto& [name, values] : example) std::visit(ToProto{&features[name]}, values);

  std::string serialized;
  {
    google::protobuf::io::StringOutputStream stream(&serialized);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);  // Maps in order of their keys.
    message.SerializeToCodedStream(&coded);
  }
  return serialized;
}

}  // namespace dime::records
