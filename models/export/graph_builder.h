// models/export/graph_builder.h - writes a TensorFlow graph node by node.
//
// A node is known by its name, which is also the name of its first output. Attributes that have
// TensorFlow's default are left out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace dime::models::proto {
class GraphDef;
}

namespace dime::models::internal {

// TensorFlow's numbers.
enum class ValueType { kFloat = 1, kInt32 = 3, kString = 7, kInt64 = 9, kBool = 10 };

using Shape = std::vector<std::int64_t>;
inline constexpr std::int64_t kAnySize = -1;

// When there are fewer values than elements, the last one stands for the rest.
struct Tensor {
  ValueType type = ValueType::kFloat;
  Shape shape;
  std::variant<std::vector<float>, std::vector<std::int64_t>, std::vector<std::string>> values;
};
[[nodiscard]] Tensor FloatTensor(Shape shape, std::vector<float> values);
[[nodiscard]] Tensor Int32Tensor(Shape shape, std::vector<std::int64_t> values);
[[nodiscard]] Tensor Int64Tensor(Shape shape, std::vector<std::int64_t> values);
[[nodiscard]] Tensor StringTensor(Shape shape, std::vector<std::string> values);

using Attribute = std::variant<bool, std::int64_t, std::string, ValueType, Shape, Tensor,
                               std::vector<ValueType>, std::vector<Shape>, std::vector<float>>;
using Attributes = std::vector<std::pair<std::string_view, Attribute>>;

class GraphBuilder {
 public:
  GraphBuilder();
  ~GraphBuilder();

  // Adds a node and returns its name, which must be new.
  std::string Add(std::string_view op, std::string name, const std::vector<std::string>& inputs,
                  const Attributes& attributes = {});
  std::string AddConst(std::string name, const Tensor& value);

  [[nodiscard]] proto::GraphDef TakeGraph();

  // A node's k-th output, and the condition that it has run, as inputs of other nodes.
  [[nodiscard]] static std::string Output(const std::string& node, int k);
  [[nodiscard]] static std::string After(const std::string& node) { return "^" + node; }

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dime::models::internal
