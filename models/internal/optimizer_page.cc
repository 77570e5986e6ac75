#include "models/internal/optimizer_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "models/description.h"

namespace dime::models::internal {
namespace {

using ops::LearningRateDecay;
using ops::OptimizerSpec;

constexpr std::int64_t kMaxDecaySteps = std::int64_t{1} << 53;

constexpr Choice<ops::OptimizerKind> kOptimizers[] = {
    {"sgd", ops::OptimizerKind::kSgd},
    {"momentum", ops::OptimizerKind::kMomentum},
    {"adagrad", ops::OptimizerKind::kAdagrad},
    {"adam", ops::OptimizerKind::kAdam},
    {"ftrl", ops::OptimizerKind::kFtrl},
    {"rmsprop", ops::OptimizerKind::kRmsProp},
    {"proximal_sgd", ops::OptimizerKind::kProximalSgd},
    {"proximal_adagrad", ops::OptimizerKind::kProximalAdagrad}};
constexpr Choice<ops::DecayKind> kDecays[] = {{"exponential", ops::DecayKind::kExponential},
                                              {"inverse_time", ops::DecayKind::kInverseTime},
                                              {"polynomial", ops::DecayKind::kPolynomial},
                                              {"cosine", ops::DecayKind::kCosine}};

// Which values of a number make sense.
struct Range {
  bool (*contains)(float value);
  std::string_view text;
};
constexpr Range kPositive = {[](float v) { return v > 0; }, "a number above 0"};
constexpr Range kNotNegative = {[](float v) { return v >= 0; }, "0 or a number above"};
constexpr Range kNotPositive = {[](float v) { return v <= 0; }, "0 or a number below"};
constexpr Range kFraction = {[](float v) { return v >= 0 && v < 1; }, "a number from 0 to below 1"};
constexpr Range kFromZeroToOne = {[](float v) { return v >= 0 && v <= 1; }, "a number from 0 to 1"};

// One setting of an optimizer or a decay, `Spec`: its key and where it is kept.
template <typename Spec>
struct Number {
  float Spec::*value;
  Range range;
};
template <typename Spec>
struct Setting {
  std::string_view key;
  std::variant<Number<Spec>, bool Spec::*> place;
};

std::vector<Setting<OptimizerSpec>> SettingsOf(ops::OptimizerKind kind) {
  using Spec = OptimizerSpec;
  const auto number = [](std::string_view key, float Spec::*value, Range range) {
    return Setting<Spec>{key, Number<Spec>{value, range}};
  };
  const auto rate = number("learning_rate", &Spec::learning_rate, kPositive);
  const auto accumulator = number("initial_accumulator", &Spec::initial_accumulator, kPositive);
  const auto momentum = number("momentum", &Spec::momentum, kFraction);
  const auto epsilon = number("epsilon", &Spec::epsilon, kPositive);
  const auto l1 = number("l1", &Spec::l1, kNotNegative);
  const auto l2 = number("l2", &Spec::l2, kNotNegative);
  switch (kind) {
    case ops::OptimizerKind::kSgd:
      return {rate};
    case ops::OptimizerKind::kMomentum:
      return {rate, momentum, {"nesterov", &Spec::nesterov}};
    case ops::OptimizerKind::kAdagrad:
      return {rate, accumulator};
    case ops::OptimizerKind::kAdam:
      return {rate, number("beta1", &Spec::beta1, kFraction),
              number("beta2", &Spec::beta2, kFraction), epsilon};
    case ops::OptimizerKind::kFtrl:
      return {rate,
              accumulator,
              number("learning_rate_power", &Spec::learning_rate_power, kNotPositive),
              l1,
              l2,
              number("l2_shrinkage", &Spec::l2_shrinkage, kNotNegative)};
    case ops::OptimizerKind::kRmsProp:
      return {rate, number("rho", &Spec::rho, kFraction), momentum, epsilon};
    case ops::OptimizerKind::kProximalSgd:
      return {rate, l1, l2};
    case ops::OptimizerKind::kProximalAdagrad:
      return {rate, accumulator, l1, l2};
  }
  return {};
}

std::vector<Setting<LearningRateDecay>> SettingsOf(ops::DecayKind kind) {
  using Spec = LearningRateDecay;
  const auto number = [](std::string_view key, float Spec::*value, Range range) {
    return Setting<Spec>{key, Number<Spec>{value, range}};
  };
  switch (kind) {
    case ops::DecayKind::kNone:
      return {};
    case ops::DecayKind::kExponential:
    case ops::DecayKind::kInverseTime:
      return {number("rate", &Spec::decay_rate, kPositive), {"staircase", &Spec::staircase}};
    case ops::DecayKind::kPolynomial:
      return {number("end_rate", &Spec::end_rate, kNotNegative),
              number("power", &Spec::power, kPositive)};
    case ops::DecayKind::kCosine:
      return {number("alpha", &Spec::alpha, kFromZeroToOne)};
  }
  return {};
}

template <typename Spec>
absl::Status CheckSettingKeys(const YamlNode& node, std::string_view what,
                              const std::vector<Setting<Spec>>& settings,
                              std::vector<std::string> others, std::string_view required) {
  std::vector<std::string> allowed = std::move(others);
  for (const Setting<Spec>& setting : settings) allowed.emplace_back(setting.key);
  for (const YamlNode& child : node.children) {
    if (std::ranges::find(allowed, child.key) == allowed.end()) {
      return UnknownName(child, what, child.key, allowed);
    }
  }
  if (node.Find(required) != nullptr) return absl::OkStatus();
  return node.Error("the key '{}' is missing; allowed are {}", required, Listed(allowed));
}

template <typename Spec>
absl::Status ReadSettings(const YamlNode& node, const std::vector<Setting<Spec>>& settings,
                          Spec* spec) {
  for (const Setting<Spec>& setting : settings) {
    const YamlNode* const place = node.Find(setting.key);
    if (place == nullptr) continue;
    if (const auto* const flag = std::get_if<bool Spec::*>(&setting.place)) {
      DIME_RETURN_IF_ERROR(ReadBool(place, &(spec->*(*flag))));
      continue;
    }
    const auto& number = std::get<Number<Spec>>(setting.place);
    float value = 0;
    DIME_RETURN_IF_ERROR(ReadFloat(place, &value));
    if (!number.range.contains(value)) {
      return place->Error("is {}; allowed is {}", value, number.range.text);
    }
    spec->*number.value = value;
  }
  return absl::OkStatus();
}

template <typename Spec>
void WriteSettings(const std::vector<Setting<Spec>>& settings, const Spec& spec, YamlNode* node) {
  for (const Setting<Spec>& setting : settings) {
    if (const auto* const flag = std::get_if<bool Spec::*>(&setting.place)) {
      node->Add(setting.key, YamlNode::Text(spec.*(*flag) ? "true" : "false"));
    } else {
      const auto& number = std::get<Number<Spec>>(setting.place);
      node->Add(setting.key, YamlNode::Text(fmt::format("{}", spec.*number.value)));
    }
  }
}

absl::Status ReadDecay(const YamlNode& node, LearningRateDecay* decay) {
  if (node.kind != YamlNode::Kind::kMap || node.Find("kind") == nullptr) {
    return node.Error("a decay is expected: {{kind: exponential, steps: 1000, rate: 0.96}}");
  }
  DIME_RETURN_IF_ERROR(ReadChoice(node.Find("kind"), kDecays, &decay->kind));
  const auto settings = SettingsOf(decay->kind);
  DIME_RETURN_IF_ERROR(
      CheckSettingKeys(node, "setting of the decay", settings, {"kind", "steps"}, "steps"));
  DIME_RETURN_IF_ERROR(ReadInteger(node.Find("steps"), 1, kMaxDecaySteps, &decay->decay_steps));
  return ReadSettings(node, settings, decay);
}

YamlNode WriteDecay(const LearningRateDecay& decay) {
  YamlNode node = YamlNode::Map();
  node.Add("kind", YamlNode::Text(std::string(ChoiceName(kDecays, decay.kind))))
      .Add("steps", YamlNode::Text(fmt::format("{}", decay.decay_steps)));
  WriteSettings(SettingsOf(decay.kind), decay, &node);
  return node;
}

// What TensorFlow's optimizer of the kind starts from.
OptimizerSpec DefaultsOf(ops::OptimizerKind kind) {
  OptimizerSpec spec{.kind = kind};
  if (kind == ops::OptimizerKind::kMomentum) spec.momentum = 0.9f;
  if (kind == ops::OptimizerKind::kRmsProp) spec.epsilon = 1e-10f;
  return spec;
}

}  // namespace

absl::Status ReadOptimizer(const YamlNode& node, OptimizerSpec* spec) {
  if (node.kind != YamlNode::Kind::kMap || node.Find("kind") == nullptr) {
    return node.Error("an optimizer is expected: {{kind: adagrad, learning_rate: 0.05}}");
  }
  ops::OptimizerKind kind{};
  DIME_RETURN_IF_ERROR(ReadChoice(node.Find("kind"), kOptimizers, &kind));
  *spec = DefaultsOf(kind);
  const auto settings = SettingsOf(kind);
  const std::string what = fmt::format("setting of {}", ChoiceName(kOptimizers, kind));
  DIME_RETURN_IF_ERROR(CheckSettingKeys(node, what, settings, {"kind", "decay"}, "learning_rate"));
  DIME_RETURN_IF_ERROR(ReadSettings(node, settings, spec));
  const YamlNode* const decay = node.Find("decay");
  return decay == nullptr ? absl::OkStatus() : ReadDecay(*decay, &spec->decay);
}

YamlNode WriteOptimizer(const OptimizerSpec& spec) {
  YamlNode node = YamlNode::Map();
  node.Add("kind", YamlNode::Text(std::string(ChoiceName(kOptimizers, spec.kind))));
  WriteSettings(SettingsOf(spec.kind), spec, &node);
  if (spec.decay.kind != ops::DecayKind::kNone) node.Add("decay", WriteDecay(spec.decay));
  return node;
}

}  // namespace dime::models::internal

namespace dime::models {

std::string_view OptimizerName(ops::OptimizerKind kind) {
  return internal::ChoiceName(internal::kOptimizers, kind);
}

}  // namespace dime::models
