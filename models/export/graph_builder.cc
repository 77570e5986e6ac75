#include "models/export/graph_builder.h"

#include <set>

#include "models/export/proto/saved_model.pb.h"
#include "runtime/base/check.h"

namespace dime::models::internal {
namespace {

using records::proto::DataType;
using records::proto::TensorProto;
using records::proto::TensorShapeProto;

// The oldest producer whose graphs may hold all of these ops (TensorFlow 1.12), and the oldest
// consumer that knows the format.
constexpr int kGraphProducer = 27;
constexpr int kMinConsumer = 12;

DataType ToProto(ValueType type) { return static_cast<DataType>(type); }

void FillShape(const Shape& shape, TensorShapeProto* out) {
  for (const std::int64_t size : shape) out->add_dim()->set_size(size);
}

void FillTensor(const Tensor& tensor, TensorProto* out) {
  out->set_dtype(ToProto(tensor.type));
  FillShape(tensor.shape, out->mutable_tensor_shape());
  if (const auto* floats = std::get_if<std::vector<float>>(&tensor.values)) {
    out->mutable_float_val()->Add(floats->begin(), floats->end());
  } else if (const auto* strings = std::get_if<std::vector<std::string>>(&tensor.values)) {
    for (const std::string& value : *strings) out->add_string_val(value);
  } else {
    for (const std::int64_t value : std::get<std::vector<std::int64_t>>(tensor.values)) {
      if (tensor.type == ValueType::kInt32) {
        out->add_int_val(static_cast<std::int32_t>(value));
      } else {
        out->add_int64_val(value);
      }
    }
  }
}

struct FillAttribute {
  proto::AttrValue* out;

  void operator()(bool value) const { out->set_b(value); }
  void operator()(std::int64_t value) const { out->set_i(value); }
  void operator()(const std::string& value) const { out->set_s(value); }
  void operator()(ValueType value) const { out->set_type(ToProto(value)); }
  void operator()(const Shape& value) const { FillShape(value, out->mutable_shape()); }
  void operator()(const Tensor& value) const { FillTensor(value, out->mutable_tensor()); }
  // An empty list is a list too.
  void operator()(const std::vector<ValueType>& values) const {
    out->mutable_list();
    for (const ValueType value : values) out->mutable_list()->add_type(ToProto(value));
  }
  void operator()(const std::vector<Shape>& values) const {
    out->mutable_list();
    for (const Shape& value : values) FillShape(value, out->mutable_list()->add_shape());
  }
  void operator()(const std::vector<float>& values) const {
    out->mutable_list()->mutable_f()->Add(values.begin(), values.end());
  }
};

}  // namespace

Tensor FloatTensor(Shape shape, std::vector<float> values) {
  return {ValueType::kFloat, std::move(shape), std::move(values)};
}
Tensor Int32Tensor(Shape shape, std::vector<std::int64_t> values) {
  return {ValueType::kInt32, std::move(shape), std::move(values)};
}
Tensor Int64Tensor(Shape shape, std::vector<std::int64_t> values) {
  return {ValueType::kInt64, std::move(shape), std::move(values)};
}
Tensor StringTensor(Shape shape, std::vector<std::string> values) {
  return {ValueType::kString, std::move(shape), std::move(values)};
}

class GraphBuilder::Impl {
 public:
  proto::GraphDef graph;
  std::set<std::string, std::less<>> names;
};

GraphBuilder::GraphBuilder() : impl_(std::make_unique<Impl>()) {
  impl_->graph.mutable_versions()->set_producer(kGraphProducer);
  impl_->graph.mutable_versions()->set_min_consumer(kMinConsumer);
}
GraphBuilder::~GraphBuilder() = default;

std::string GraphBuilder::Add(std::string_view op, std::string name,
                              const std::vector<std::string>& inputs,
                              const Attributes& attributes) {
  DIME_CHECK(impl_->names.insert(name).second);
  proto::NodeDef& node = *impl_->graph.add_node();
  node.set_name(name);
  node.set_op(std::string(op));
  for (const std::string& input : inputs) node.add_input(input);
  for (const auto& [key, value] : attributes) {
    std::visit(FillAttribute{&(*node.mutable_attr())[std::string(key)]}, value);
  }
  return name;
}

std::string GraphBuilder::AddConst(std::string name, const Tensor& value) {
  return Add("Const", std::move(name), {}, {{"dtype", value.type}, {"value", value}});
}

proto::GraphDef GraphBuilder::TakeGraph() { return std::move(impl_->graph); }

std::string GraphBuilder::Output(const std::string& node, int k) {
  return k == 0 ? node : node + ":" + std::to_string(k);
}

}  // namespace dime::models::internal
