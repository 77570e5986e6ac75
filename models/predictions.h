// models/predictions.h - what a model says of examples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dime::models {

// Columns of predictions, named as in TensorFlow's predict signature. What a kind of problem does
// not have is empty.
struct Predictions {
  std::int64_t num_examples = 0;
  std::int64_t num_logits = 1;          // An example.
  std::int64_t num_classes = 0;         // 0: a regression, whose predictions are its logits.
  std::vector<float> logits;            // [num_examples, num_logits]
  std::vector<float> logistic;          // [num_examples]: probability of class 1. Two classes only.
  std::vector<float> probabilities;     // [num_examples, num_classes]
  std::vector<std::int64_t> class_ids;  // [num_examples]: the likeliest; on a tie the first.

  [[nodiscard]] bool is_regression() const { return num_classes == 0; }
  [[nodiscard]] std::span<const float> LogitsOf(std::int64_t example) const {
    return Row(logits, num_logits, example);
  }
  [[nodiscard]] std::span<const float> ProbabilitiesOf(std::int64_t example) const {
    return Row(probabilities, num_classes, example);
  }

 private:
  static std::span<const float> Row(const std::vector<float>& values, std::int64_t size,
                                    std::int64_t row) {
    return std::span(values).subspan(static_cast<std::size_t>(row * size),
                                     static_cast<std::size_t>(size));
  }
};

}  // namespace dime::models
