// configs/models/schema.json and the reader of pages know the same: kinds, keys, words, defaults
// and ranges. What the reader allows is taken from its messages, so that nothing has to be listed
// here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "models/description.h"
#include "models/internal/yaml_tree.h"
#include "tests/support/status_matchers.h"

namespace dime::models {
namespace {

using internal::YamlNode;
using ::nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::set<std::string>;

// A place on a page for an object that a definition of the schema describes.
struct Place {
  std::string definition;
  std::string section;   // Which section of the page holds it,
  std::string around;    // with "@" where the object stands.
  std::string kind;      // "": the object has none.
  std::string required;  // Its other required keys, with values that are right.
  std::string path;      // Where the object stands in a page that was read.
};

std::string FilledIn(std::string text, std::string_view with) {
  return text.replace(text.find('@'), 1, with);
}

constexpr std::string_view kLabel = "{field: b, vocabulary: [x, y]}";

std::string PageWith(const std::string& section, const std::string& text) {
  std::map<std::string, std::string> sections = {
      {"input",
       "{fields: [{name: a, type: integer}, {name: b, type: string}, {name: c, type: float}]}"},
      {"label", std::string(kLabel)},
      {"columns", "{a: {kind: numeric}}"},
      {"estimator",
       "{kind: LinearClassifier, linear_columns: [a], linear_optimizer: {kind: sgd, "
       "learning_rate: 1}}"}};
  sections[section] = text;
  std::string page;
  for (const auto& [key, value] : sections) page += key + ": " + value + "\n";
  return page;
}

class SchemaTest : public ::testing::Test {
 protected:
  const json& Definition(const std::string& name) const { return schema_["definitions"][name]; }

  static std::string Page(const Place& place, const std::string& keys) {
    std::string object = "{" + (place.kind.empty() ? "" : "kind: " + place.kind + ", ") + keys;
    if (object.ends_with(", ")) object.resize(object.size() - 2);
    return PageWith(place.section, FilledIn(place.around, object + "}"));
  }

  static std::string MessageOf(const std::string& page) {
    return std::string(ParseDescription(page, "page.yaml", "").status().message());
  }

  // What a message lists as allowed.
  static Words Listed(const std::string& message) {
    std::size_t at = std::string::npos;
    for (const std::string before : {"; allowed are ", "; there are "}) {
      if (message.find(before) != std::string::npos) at = message.find(before) + before.size();
    }
    EXPECT_NE(at, std::string::npos) << message;
    if (at == std::string::npos) return {};
    Words words;
    const std::string list = message.substr(at, message.find(';', at) - at);
    for (std::size_t start = 0; start < list.size();) {
      const std::size_t end = std::min(list.find(", ", start), list.size());
      words.insert(list.substr(start, end - start));
      start = end + 2;
    }
    return words;
  }

  static Words KeysOf(const json& object) {
    Words keys;
    for (const auto& [key, value] : object.items()) keys.insert(key);
    return keys;
  }

  std::vector<Place> Places() const {
    const std::map<std::string, std::string> required = {
        {"vocabulary_list", "vocabulary: [x], "},
        {"vocabulary_file", "file: none, "},
        {"hash_bucket", "buckets: 5, "},
        {"identity", "buckets: 9007199254740992, "},
        {"bucketized", "source: a, boundaries: [1], "},
        {"crossed", "keys: [a, c], buckets: 5, "},
        {"weighted", "source: x, weight_field: a, "},
        {"indicator", "source: x, "},
        {"embedding", "source: x, dimension: 1, "},
        {"shared_embedding", "source: x, dimension: 1, collection: c, "},
        {"z_score", "mean: 0, stddev: 1, "},
        {"min_max", "min: 0, max: 1, "}};
    const std::string optimizer =
        "{kind: LinearClassifier, linear_columns: [a], linear_optimizer: @}";
    std::vector<Place> places = {
        {"input", "input", "@", "", "fields: [{name: a, type: integer}, {name: b, type: string}], ",
         "input"},
        {"field", "input", "{fields: [@]}", "", "name: b, type: string, ", "input.fields"},
        {"label", "label", "@", "", "field: b, ", "label"},
        {"training", "training", "@", "", "", "training"},
        {"variant", "variants", "{v: @}", "", "", "variants.v"}};
    const auto add = [&](const std::string& what, const std::string& section,
                         const std::string& around, const std::string& always,
                         const std::string& path) {
      const std::string ending = what == "optimizer" ? "" : "_" + what;
      for (const std::string kind : Definition(what)["properties"]["kind"]["enum"]) {
        const auto keys = required.find(kind);
        places.push_back({kind + ending, section, around, kind,
                          always + (keys == required.end() ? "" : keys->second), path});
      }
    };
    add("column", "columns", "{x: @}", "", "columns.x");
    add("normalizer", "columns", "{a: {kind: numeric, normalizer: @}}", "", "columns.a.normalizer");
    add("optimizer", "estimator", optimizer, "learning_rate: 1, ", "estimator.linear_optimizer");
    add("decay", "estimator", FilledIn(optimizer, "{kind: sgd, learning_rate: 1, decay: @}"),
        "steps: 5, ", "estimator.linear_optimizer.decay");
    return places;
  }

  const json schema_ = json::parse(std::ifstream(DIME_SCHEMA));
};

TEST_F(SchemaTest, EveryMappingHasTheSameKeys) {
  EXPECT_EQ(Listed(MessageOf("no_such_key: 1")), KeysOf(schema_["properties"]));
  EXPECT_GT(Places().size(), 30u);
  for (const Place& place : Places()) {
    const Words allowed = Listed(MessageOf(Page(place, "no_such_key: 1")));
    EXPECT_EQ(allowed, KeysOf(Definition(place.definition)["properties"])) << place.definition;
    EXPECT_EQ(Definition(place.definition)["additionalProperties"], false) << place.definition;
  }
}

TEST_F(SchemaTest, AnEstimatorHasTheKeysOfAllKinds) {
  Words allowed;
  for (const std::string kind : Definition("estimator")["properties"]["kind"]["enum"]) {
    std::string page = PageWith("estimator", "{no_such_key: 1, kind: " + kind + "}");
    if (kind.ends_with("Regressor")) page.replace(page.find(kLabel), kLabel.size(), "{field: c}");
    allowed.merge(Listed(MessageOf(page)));
  }
  EXPECT_EQ(allowed, KeysOf(Definition("estimator")["properties"]));
}

TEST_F(SchemaTest, TheSameKeysAreRequired) {
  for (const Place& place : Places()) {
    const json& definition = Definition(place.definition);
    for (const std::string key : definition.value("required", json::array())) {
      if (key == "kind") continue;
      std::string others;
      for (const std::string other : definition["required"]) {
        if (other != key && other != "kind") others += other + ": 1, ";
      }
      EXPECT_THAT(MessageOf(Page(place, others)), HasSubstr("the key '" + key + "' is missing"))
          << place.definition;
    }
    EXPECT_THAT(MessageOf(Page(place, place.required)), Not(HasSubstr("is missing")))
        << place.definition;
  }
}

TEST_F(SchemaTest, TheSameWordsAreTaken) {
  const struct {
    std::string definition;
    std::string key;
    std::string page;
  } cases[] = {
      {"field", "type", PageWith("input", "{fields: [{name: a, type: no_such_word}]}")},
      {"column", "kind", PageWith("columns", "{x: {kind: no_such_word}}")},
      {"embedding_column", "combiner",
       PageWith("columns",
                "{x: {kind: embedding, source: a, dimension: 1, combiner: no_such_word}}")},
      {"normalizer", "kind",
       PageWith("columns", "{a: {kind: numeric, normalizer: {kind: no_such_word}}}")},
      {"estimator", "kind", PageWith("estimator", "{kind: no_such_word}")},
      {"estimator", "loss_reduction",
       PageWith("estimator",
                "{kind: LinearClassifier, linear_columns: [a], linear_optimizer: {kind: sgd, "
                "learning_rate: 1}, loss_reduction: no_such_word}")},
      {"optimizer", "kind",
       PageWith("estimator",
                "{kind: LinearClassifier, linear_columns: [a], linear_optimizer: {kind: "
                "no_such_word}}")},
      {"decay", "kind",
       PageWith("estimator",
                "{kind: LinearClassifier, linear_columns: [a], linear_optimizer: {kind: sgd, "
                "learning_rate: 1, decay: {kind: no_such_word}}}")}};
  for (const auto& [definition, key, page] : cases) {
    const Words words = Definition(definition)["properties"][key]["enum"];
    EXPECT_EQ(Listed(MessageOf(page)), words) << definition << "." << key;
  }
}

// The node at a path of keys.
const YamlNode* NodeAt(const YamlNode& page, const std::string& path) {
  const YamlNode* node = &page;
  for (std::size_t start = 0; node != nullptr && start <= path.size();) {
    const std::size_t end = std::min(path.find('.', start), path.size());
    node = node->Find(path.substr(start, end - start));
    start = end + 1;
  }
  return node;
}

// What the reader writes where a key was left out is what the schema calls its default.
TEST_F(SchemaTest, TheDefaultsAreTheSame) {
  int num_compared = 0;
  for (const Place& place : Places()) {
    const auto model = ParseDescription(Page(place, place.required), "page.yaml", "");
    if (!model.ok()) continue;  // A column that needs others beside it.
    ASSERT_OK_AND_ASSIGN(const YamlNode page,
                         internal::ParseYaml(FormatDescription(*model), "page.yaml"));
    const YamlNode* const object = NodeAt(page, place.path);
    if (object == nullptr) continue;
    for (const auto& [key, property] : Definition(place.definition)["properties"].items()) {
      const YamlNode* const written = object->Find(key);
      if (written == nullptr || !property.contains("default")) continue;
      const json& value = property["default"];
      const std::string where = place.definition + "." + key;
      if (value.is_number()) {
        EXPECT_EQ(std::stof(written->text), value.get<float>()) << where;
      } else {
        EXPECT_EQ(written->text, value.is_string() ? value.get<std::string>() : value.dump())
            << where;
      }
      ++num_compared;
    }
  }
  EXPECT_GT(num_compared, 30);
}

TEST_F(SchemaTest, WholeNumbersHaveTheSameRange) {
  constexpr auto kUnsigned = std::numeric_limits<std::uint64_t>::max();  // Told in other words.
  int num_compared = 0;
  for (const Place& place : Places()) {
    for (const auto& [key, property] : Definition(place.definition)["properties"].items()) {
      if (property.value("type", json()) != "integer" || property["maximum"] == kUnsigned) continue;
      std::string keys = place.required;
      if (const std::size_t at = keys.find(key + ":"); at != std::string::npos) {
        keys.erase(at, keys.find(", ", at) + 2 - at);
      }
      if (place.definition == "label") keys = "field: a, ";
      EXPECT_THAT(MessageOf(Page(place, keys + key + ": none")),
                  HasSubstr(fmt::format("is not a whole number from {} to {}",
                                        property["minimum"].dump(), property["maximum"].dump())))
          << place.definition << "." << key;
      ++num_compared;
    }
  }
  EXPECT_GT(num_compared, 15);
}

TEST_F(SchemaTest, NumbersOfOptimizersHaveTheSameRange) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto is_taken = [](const Place& place, const std::string& key, float value) {
    std::string keys = place.required;
    if (keys.find(key + ":") != std::string::npos) keys.clear();
    return ParseDescription(Page(place, fmt::format("{}{}: {}", keys, key, value)), "page.yaml", "")
        .ok();
  };
  int num_compared = 0;
  for (const Place& place : Places()) {
    if (!place.path.starts_with("estimator")) continue;
    for (const auto& [key, property] : Definition(place.definition)["properties"].items()) {
      if (property.value("type", json()) != "number") continue;
      const auto check = [&, &name = key, &range = property](const char* bound, bool is_within,
                                                             float direction) {
        if (!range.contains(bound)) return;
        const float value = range[bound];
        const float out = std::nextafter(value, direction);
        const float in = std::nextafter(value, -direction);
        EXPECT_FALSE(is_taken(place, name, out)) << place.definition << "." << name << " " << out;
        EXPECT_EQ(is_taken(place, name, value), is_within) << place.definition << "." << name;
        EXPECT_TRUE(is_taken(place, name, in)) << place.definition << "." << name << " " << in;
        ++num_compared;
      };
      check("minimum", true, -kInfinity);
      check("exclusiveMinimum", false, -kInfinity);
      check("maximum", true, kInfinity);
      check("exclusiveMaximum", false, kInfinity);
    }
  }
  EXPECT_GT(num_compared, 30);
}

}  // namespace
}  // namespace dime::models
