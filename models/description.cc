#include "models/description.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include "models/internal/column_page.h"
#include "models/internal/estimator_page.h"
#include "models/internal/input_page.h"
#include "models/internal/vocabulary_file.h"
#include "models/internal/yaml_tree.h"

namespace dime::models {
namespace {

using internal::YamlNode;

// --- Variants

constexpr char kNameWithoutVariants[] = "model";

// `base` with the keys of `changes` in place of its own.
YamlNode Merged(const YamlNode& base, const YamlNode* changes) {
  YamlNode merged = base;
  if (changes == nullptr) return merged;
  for (const YamlNode& change : changes->children) {
    const auto old = std::find_if(merged.children.begin(), merged.children.end(),
                                  [&](const YamlNode& child) { return child.key == change.key; });
    if (old == merged.children.end()) {
      merged.children.push_back(change);
    } else {
      *old = change;
    }
  }
  return merged;
}

// The section `key` of the page as the variant (null: none) has it; nullopt when neither does.
absl::StatusOr<std::optional<YamlNode>> SectionOf(const YamlNode& page, const YamlNode* variant,
                                                  std::string_view key) {
  const YamlNode* const changes = variant == nullptr ? nullptr : variant->Find(key);
  if (changes != nullptr && changes->kind != YamlNode::Kind::kMap) {
    return changes->Error("a mapping of the keys of '{}' to replace is expected", key);
  }
  const YamlNode* const base = page.Find(key);
  if (base != nullptr && base->kind == YamlNode::Kind::kMap) return Merged(*base, changes);
  if (base != nullptr) return *base;  // Whoever reads it says what is wrong with it.
  if (changes != nullptr) return *changes;
  return std::nullopt;
}

absl::Status ReadVariant(const YamlNode& page, const YamlNode* variant,
                         ModelDescription* description) {
  if (variant != nullptr && variant->kind != YamlNode::Kind::kNull) {
    DIME_RETURN_IF_ERROR(internal::CheckKeys(*variant, {}, {"estimator", "training"}));
  }
  DIME_ASSIGN_OR_RETURN(const auto estimator, SectionOf(page, variant, "estimator"));
  if (!estimator) return page.Error("the key 'estimator' is missing");
  DIME_RETURN_IF_ERROR(internal::ReadEstimator(*estimator, description));
  DIME_ASSIGN_OR_RETURN(const auto training, SectionOf(page, variant, "training"));
  return training ? internal::ReadTraining(*training, &description->training) : absl::OkStatus();
}

// What a page without variants describes: "census" for "models/census.yaml".
std::string NameOfFile(const std::string& file_name) {
  std::string name = file_name.substr(file_name.find_last_of('/') + 1);
  name = name.substr(0, name.rfind('.'));
  return internal::CheckName(YamlNode(), name).ok() ? name : kNameWithoutVariants;
}

// Reads every variant, so that a mistake in one is found by whoever reads the page, and returns the
// one asked for.
absl::StatusOr<ModelDescription> ReadVariants(const YamlNode& page, const YamlNode& variants,
                                              const ModelDescription& common,
                                              const std::string& wanted) {
  if (variants.kind != YamlNode::Kind::kMap || variants.children.empty()) {
    return variants.Error("a mapping of names to what is different there is expected");
  }
  std::optional<ModelDescription> result;
  std::vector<std::string> names;
  for (const YamlNode& variant : variants.children) {
    ModelDescription description = common;
    description.name = names.emplace_back(variant.key);
    DIME_RETURN_IF_ERROR(internal::CheckName(variant, variant.key));
    DIME_RETURN_IF_ERROR(ReadVariant(page, &variant, &description));
    const bool is_wanted = wanted.empty() ? !result.has_value() : description.name == wanted;
    if (is_wanted) result = std::move(description);
  }
  if (!result) return internal::UnknownName(variants, "variant", wanted, names);
  return *std::move(result);
}

absl::StatusOr<ModelDescription> ReadChosenVariant(const YamlNode& page,
                                                   const ModelDescription& common,
                                                   const std::string& file_name,
                                                   const std::string& wanted) {
  if (const YamlNode* const variants = page.Find("variants")) {
    return ReadVariants(page, *variants, common, wanted);
  }
  ModelDescription description = common;
  description.name = NameOfFile(file_name);
  if (!wanted.empty() && wanted != description.name) {
    return internal::UnknownName(page, "variant", wanted, std::vector{description.name});
  }
  DIME_RETURN_IF_ERROR(ReadVariant(page, nullptr, &description));
  return description;
}

// --- Writing

static_assert(kMaxDescriptionBytes == internal::kMaxYamlBytes);

// What two descriptions of one model have in common, whatever their jobs do with it.
YamlNode WriteModel(const ModelDescription& description) {
  return YamlNode::Map()
      .Add("input", internal::WriteInput(description.input))
      .Add("label", internal::WriteLabel(description.label))
      .Add("columns", internal::WriteColumns(description))
      .Add("estimator", internal::WriteEstimator(description.estimator));
}

YamlNode WritePage(const ModelDescription& description) {
  YamlNode page = WriteModel(description);
  page.Add("training", internal::WriteTraining(description.training))
      .Add("variants", YamlNode::Map().Add(description.name, YamlNode::Map()));
  return page;
}

// Job directories and exports carry the page with all defaults written out, which is longer.
absl::Status CheckCanBeReadBack(const YamlNode& page, const ModelDescription& description) {
  const YamlNode written = WritePage(description);
  const std::size_t num_nodes = written.CountNodes();
  const std::size_t size_bytes = internal::FormatYaml(written).size();
  if (num_nodes <= internal::kMaxYamlNodes && size_bytes <= internal::kMaxYamlBytes) {
    return absl::OkStatus();
  }
  return page.Error(
      "with its defaults written out the description has {} values in {} bytes; at most {} values "
      "in {} bytes are allowed",
      num_nodes, size_bytes, internal::kMaxYamlNodes, internal::kMaxYamlBytes);
}

// --- Differences

// `description`, its vocabularies in files beside the page, named for their columns.
ModelDescription WithOwnFiles(const ModelDescription& description) {
  ModelDescription model = description;
  for (FeatureColumn& column : model.columns) {
    auto* const vocabulary = std::get_if<VocabularyColumn>(&column.kind);
    if (vocabulary == nullptr || vocabulary->file.empty()) continue;
    vocabulary->file = column.name + ".vocabulary";
  }
  return model;
}

// Nor does it matter in what files the same records lie.
YamlNode WriteModelWithoutRates(const ModelDescription& description) {
  ModelDescription model = WithOwnFiles(description);
  for (auto* const optimizer :
       {&model.estimator.linear_optimizer, &model.estimator.dnn_optimizer}) {
    optimizer->learning_rate = 0;
    optimizer->decay = {};
  }
  model.input.file_format = FileFormat::kDetected;
  return WriteModel(model);
}

std::string FormatOrNothing(const YamlNode* node) {
  return node == nullptr ? "nothing" : internal::FormatYamlLine(*node);
}

struct Differences {
  SideNames names;
  std::vector<std::string> lines;
};

void CompareNodes(const std::string& path, const YamlNode* here, const YamlNode* there,
                  Differences* differences);

void CompareMaps(const std::string& path, const YamlNode& here, const YamlNode& there,
                 Differences* differences) {
  const auto path_of = [&](const YamlNode& child) {
    return path.empty() ? child.key : path + "." + child.key;
  };
  for (const YamlNode& child : here.children) {
    CompareNodes(path_of(child), &child, there.Find(child.key), differences);
  }
  for (const YamlNode& child : there.children) {
    if (here.Find(child.key) == nullptr) CompareNodes(path_of(child), nullptr, &child, differences);
  }
}

void CompareNodes(const std::string& path, const YamlNode* here, const YamlNode* there,
                  Differences* differences) {
  const auto is = [](const YamlNode* node, YamlNode::Kind kind) {
    return node != nullptr && node->kind == kind;
  };
  const auto is_list_of_maps = [is](const YamlNode* node) {
    return node != nullptr && node->kind == YamlNode::Kind::kList && !node->children.empty() &&
           is(&node->children.front(), YamlNode::Kind::kMap);
  };
  if (is(here, YamlNode::Kind::kMap) && is(there, YamlNode::Kind::kMap)) {
    return CompareMaps(path, *here, *there, differences);
  }
  if (is_list_of_maps(here) && is_list_of_maps(there)) {
    const std::size_t size = std::max(here->children.size(), there->children.size());
    const auto item = [](const YamlNode& list, std::size_t i) {
      return i < list.children.size() ? &list.children[i] : nullptr;
    };
    for (std::size_t i = 0; i < size; ++i) {
      CompareNodes(fmt::format("{}[{}]", path, i), item(*here, i), item(*there, i), differences);
    }
    return;
  }
  const std::string value_here = FormatOrNothing(here);
  const std::string value_there = FormatOrNothing(there);
  if (value_here == value_there) return;
  const SideNames& names = differences->names;
  differences->lines.push_back(
      fmt::format("{}: {} {}, {} {}", path, value_here, names.here, value_there, names.there));
}

}  // namespace

std::int64_t NumClasses(const Label& label) {
  return label.vocabulary.empty() ? label.num_classes
                                  : static_cast<std::int64_t>(label.vocabulary.size());
}

bool IsRegressor(EstimatorKind kind) {
  return kind == EstimatorKind::kLinearRegressor || kind == EstimatorKind::kDnnRegressor ||
         kind == EstimatorKind::kDnnLinearCombinedRegressor;
}

bool HasLinearPart(EstimatorKind kind) {
  return kind != EstimatorKind::kDnnClassifier && kind != EstimatorKind::kDnnRegressor;
}

bool HasDnnPart(EstimatorKind kind) {
  return kind != EstimatorKind::kLinearClassifier && kind != EstimatorKind::kLinearRegressor;
}

const FeatureColumn* ModelDescription::FindColumn(std::string_view column_name) const {
  for (const FeatureColumn& column : columns) {
    if (column.name == column_name) return &column;
  }
  return nullptr;
}

int ModelDescription::FindField(std::string_view field_name) const {
  for (std::size_t f = 0; f < input.fields.size(); ++f) {
    if (input.fields[f].name == field_name) return static_cast<int>(f);
  }
  return -1;
}

absl::StatusOr<ModelDescription> ParseDescription(std::string_view yaml,
                                                  const std::string& file_name,
                                                  const std::string& variant) {
  DIME_ASSIGN_OR_RETURN(const YamlNode page, internal::ParseYaml(yaml, file_name));
  DIME_RETURN_IF_ERROR(internal::CheckKeys(page, {"input", "label", "columns"},
                                           {"estimator", "training", "variants"}));
  ModelDescription common;
  DIME_RETURN_IF_ERROR(internal::ReadInput(*page.Find("input"), &common.input));
  DIME_RETURN_IF_ERROR(internal::ReadLabel(*page.Find("label"), &common));
  DIME_RETURN_IF_ERROR(internal::ReadColumns(*page.Find("columns"), &common));
  DIME_ASSIGN_OR_RETURN(ModelDescription description,
                        ReadChosenVariant(page, common, file_name, variant));
  if (description.training.export_name.empty()) {
    description.training.export_name = description.name;
  }
  DIME_RETURN_IF_ERROR(CheckCanBeReadBack(page, description));
  return description;
}

absl::StatusOr<std::vector<std::string>> VariantNames(std::string_view yaml,
                                                      const std::string& file_name) {
  DIME_ASSIGN_OR_RETURN(const YamlNode page, internal::ParseYaml(yaml, file_name));
  const YamlNode* const variants = page.Find("variants");
  if (variants == nullptr) return std::vector{NameOfFile(file_name)};
  std::vector<std::string> names;
  for (const YamlNode& variant : variants->children) names.push_back(variant.key);
  return names;
}

absl::Status ApplyOverrides(const DescriptionOverrides& overrides, ModelDescription* description) {
  ModelDescription changed = *description;
  if (overrides.embedding_dim != 0) {
    for (FeatureColumn& column : changed.columns) {
      auto* const embedding = std::get_if<EmbeddingColumn>(&column.kind);
      if (embedding != nullptr) embedding->dim = overrides.embedding_dim;
    }
  }
  if (!overrides.hidden_units.empty()) {
    if (!HasDnnPart(changed.estimator.kind)) {
      return base::InvalidArgument("the model has no hidden layers");
    }
    changed.estimator.hidden_units = overrides.hidden_units;
  }
  DIME_RETURN_IF_ERROR(internal::CheckSizes(changed));
  *description = std::move(changed);
  return absl::OkStatus();
}

std::vector<DescriptionFile> FormatDescriptionFiles(const ModelDescription& description,
                                                    const std::string& page_name) {
  const ModelDescription model = WithOwnFiles(description);
  std::vector<DescriptionFile> files;
  for (const FeatureColumn& column : model.columns) {
    const auto* const vocabulary = std::get_if<VocabularyColumn>(&column.kind);
    if (vocabulary == nullptr || vocabulary->file.empty()) continue;
    files.push_back({vocabulary->file, internal::FormatVocabulary(vocabulary->vocabulary)});
  }
  files.push_back({page_name, FormatDescription(model)});
  return files;
}

std::string FormatDescription(const ModelDescription& description) {
  return internal::FormatYaml(WritePage(description));
}

std::vector<std::string> DescribeDifference(const ModelDescription& here,
                                            const ModelDescription& there, const SideNames& names) {
  Differences differences{.names = names, .lines = {}};
  CompareMaps("", WriteModelWithoutRates(here), WriteModelWithoutRates(there), &differences);
  return std::move(differences.lines);
}

}  // namespace dime::models
