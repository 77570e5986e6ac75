#include "runtime/cluster/tiers.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/base/suggest.h"
#include "runtime/base/text.h"
#include "runtime/base/yaml_tree.h"
#include "runtime/cluster/internal/role_keys.h"
#include "runtime/storage/file_system.h"

namespace dime::cluster {
namespace {

using base::YamlNode;

constexpr std::int64_t kMaxCores = 4096;
constexpr std::int64_t kMaxGpus = 64;
constexpr double kMaxMemoryGb = 1e6;
constexpr double kMaxUnits = 1e6;
constexpr std::size_t kMaxNameBytes = 128;
// Cloud ML Engine has them, and no machine of the user's own can stand for one.
constexpr std::string_view kTpuTier = "BASIC_TPU";

bool IsLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

absl::Status CheckName(const YamlNode& node, std::string_view name) {
  const bool is_good =
      !name.empty() && name.size() <= kMaxNameBytes &&
      std::ranges::all_of(name, [](char c) { return IsLetterOrDigit(c) || c == '_' || c == '-'; });
  if (is_good) return absl::OkStatus();
  return node.Error("{} is no name: letters, digits, '_' and '-' are allowed, at most {} of them",
                    base::Quoted(name), kMaxNameBytes);
}

absl::Status ReadUnits(const YamlNode& page, std::optional<double>* units) {
  const YamlNode* const node = page.Find("units_per_hour");
  if (node == nullptr) return absl::OkStatus();
  return base::ReadNumber(node, 0, kMaxUnits, &units->emplace());
}

absl::Status ReadUnconfirmed(const YamlNode& page, std::vector<std::string>* keys) {
  const YamlNode* const node = page.Find("unconfirmed");
  DIME_RETURN_IF_ERROR(base::ReadTexts(node, keys));
  std::vector<std::string> known;
  for (const YamlNode& child : page.children) known.push_back(child.key);
  for (std::size_t i = 0; i < keys->size(); ++i) {
    if (page.Find((*keys)[i]) == nullptr) {
      return base::UnknownName(node->children[i], "key", (*keys)[i], known);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<MachineType> ReadMachineType(const YamlNode& node) {
  MachineType type;
  type.name = node.key;
  DIME_RETURN_IF_ERROR(CheckName(node, type.name));
  DIME_RETURN_IF_ERROR(base::CheckKeys(
      node, {"cores"}, {"memory_gb", "gpus", "gpu_type", "units_per_hour", "unconfirmed"}));
  DIME_RETURN_IF_ERROR(base::ReadInteger(node.Find("cores"), 1, kMaxCores, &type.cores));
  DIME_RETURN_IF_ERROR(base::ReadNumber(node.Find("memory_gb"), 0, kMaxMemoryGb, &type.memory_gb));
  DIME_RETURN_IF_ERROR(base::ReadInteger(node.Find("gpus"), 0, kMaxGpus, &type.gpus));
  DIME_RETURN_IF_ERROR(base::ReadText(node.Find("gpu_type"), &type.gpu_type));
  DIME_RETURN_IF_ERROR(ReadUnits(node, &type.units_per_hour));
  DIME_RETURN_IF_ERROR(ReadUnconfirmed(node, &type.unconfirmed));
  return type;
}

// The replicas of one role in a tier's page.
absl::Status ReadRole(const YamlNode& page, const internal::RoleKeys& keys,
                      const TierLibrary& library, RoleShape* role) {
  if (!keys.count.empty()) {
    DIME_RETURN_IF_ERROR(base::ReadInteger(page.Find(keys.count), 0, kMaxReplicas, &role->count));
  }
  const YamlNode* const type = page.Find(keys.type);
  if (type == nullptr) {
    if (role->count == 0) return absl::OkStatus();
    return page.Error("the key '{}' is missing; allowed are {}", keys.type,
                      base::Listed(library.MachineTypeNames()));
  }
  std::string name;
  DIME_RETURN_IF_ERROR(base::ReadText(type, &name));
  const MachineType* const machine = library.FindMachineType(name);
  if (machine == nullptr) {
    return base::UnknownName(*type, "machine type", name, library.MachineTypeNames());
  }
  role->machine = *machine;
  return absl::OkStatus();
}

// A page's text.
absl::StatusOr<std::string> ReadPage(const std::string& path) {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(path));
  absl::StatusOr<std::string> yaml = fs->ReadFile(path, base::kMaxYamlBytes);
  if (absl::IsOutOfRange(yaml.status())) {  // So long a page is a wrong one.
    return base::InvalidArgument("read a configuration: {}", base::MessageOf(yaml.status()));
  }
  if (!yaml.ok()) return base::Annotate(yaml.status(), "read a configuration");
  return yaml;
}

}  // namespace

std::string CanonicalTierName(std::string_view name) {
  std::string canonical(name);
  for (char& c : canonical) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == '-') c = '_';
  }
  return canonical;
}

absl::StatusOr<TierLibrary> TierLibrary::Read(std::span<const std::string> directories) {
  TierLibrary library;
  std::vector<absl::Status> missing;
  for (const std::string& directory : directories) {
    missing.push_back(library.ReadMachineTypes(directory));
    if (!missing.back().ok() && !absl::IsNotFound(missing.back())) return missing.back();
  }
  for (std::size_t i = 0; i < directories.size(); ++i) {
    const absl::Status tiers = library.ReadTiers(directories[i]);
    if (!tiers.ok() && !absl::IsNotFound(tiers)) return tiers;
    const bool is_enough = i == 0 ? missing[i].ok() && tiers.ok() : missing[i].ok() || tiers.ok();
    if (is_enough) continue;
    return base::Annotate(missing[i].ok() ? tiers : missing[i],
                          "look for scale tiers and machine types");
  }
  return library;
}

absl::Status TierLibrary::ReadMachineTypes(const std::string& directory) {
  const std::string path = storage::JoinPath(directory, "machine_types.yaml");
  DIME_ASSIGN_OR_RETURN(const std::string yaml, ReadPage(path));
  return AddMachineTypes(yaml, path);
}

absl::Status TierLibrary::ReadTiers(const std::string& directory) {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(directory));
  const std::string tiers = storage::JoinPath(directory, "tiers");
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs->List(tiers));
  for (const std::string& name : names) {
    if (!name.ends_with(".yaml")) continue;
    const std::string path = storage::JoinPath(tiers, name);
    const absl::StatusOr<std::string> page = ReadPage(path);
    const absl::Status added = page.ok() ? AddTier(*page, path) : page.status();
    if (added.ok()) continue;
    base::Log(base::Severity::kWarning, "left out of the scale tiers: {}", base::MessageOf(added));
  }
  return absl::OkStatus();
}

absl::Status TierLibrary::AddMachineTypes(std::string_view yaml, const std::string& file) {
  DIME_ASSIGN_OR_RETURN(const YamlNode page, base::ParseYaml(yaml, file));
  DIME_RETURN_IF_ERROR(base::CheckKeys(page, {"machine_types"}, {"dollars_per_unit_hour"}));
  const YamlNode& types = *page.Find("machine_types");
  if (types.kind != YamlNode::Kind::kMap) {
    return types.Error("a mapping is expected, from names to what a machine of that type has");
  }
  std::map<std::string, MachineType> read;
  for (const YamlNode& node : types.children) {
    DIME_ASSIGN_OR_RETURN(read[node.key], ReadMachineType(node));
  }
  std::map<std::string, double> prices;
  if (const YamlNode* const node = page.Find("dollars_per_unit_hour"); node != nullptr) {
    if (node->kind != YamlNode::Kind::kMap) {
      return node->Error("a mapping is expected, from parts of the world to prices: {{us: 0.49}}");
    }
    for (const YamlNode& price : node->children) {
      DIME_RETURN_IF_ERROR(base::ReadNumber(&price, 0, kMaxUnits, &prices[price.key]));
    }
  }
  for (auto& [name, type] : read) machine_types_[name] = std::move(type);
  for (const auto& [place, price] : prices) unit_prices_[place] = price;
  return absl::OkStatus();
}

absl::Status TierLibrary::AddTier(std::string_view yaml, const std::string& file) {
  DIME_ASSIGN_OR_RETURN(const YamlNode page, base::ParseYaml(yaml, file));
  std::vector<std::string_view> optional = {"summary", "units_per_hour", "unconfirmed"};
  for (const internal::RoleKeys& keys : internal::kRoleKeys) {
    if (keys.role == Role::kMaster) continue;
    optional.insert(optional.end(), {keys.type, keys.count});
  }
  DIME_RETURN_IF_ERROR(base::CheckKeys(page, {"name", "masterType"}, optional));
  Tier tier;
  tier.file = file;
  const YamlNode& name = *page.Find("name");
  DIME_RETURN_IF_ERROR(base::ReadText(&name, &tier.name));
  DIME_RETURN_IF_ERROR(CheckName(name, tier.name));
  if (tier.name != CanonicalTierName(tier.name) || tier.name == kCustomTier) {
    return name.Error("a tier is named in upper case, with '_' for '-', and not {}", kCustomTier);
  }
  DIME_RETURN_IF_ERROR(base::ReadText(page.Find("summary"), &tier.summary));
  for (const internal::RoleKeys& keys : internal::kRoleKeys) {
    DIME_RETURN_IF_ERROR(ReadRole(page, keys, *this, &tier.shape.Of(keys.role)));
  }
  if (const std::int64_t total = tier.shape.Counts().Total(); total > kMaxReplicas) {
    return page.Error("the tier has {} replicas; at most {} are allowed", total, kMaxReplicas);
  }
  DIME_RETURN_IF_ERROR(ReadUnits(page, &tier.units_per_hour));
  if (!tier.units_per_hour) tier.units_per_hour = TotalsOf(tier.shape).units_per_hour;
  DIME_RETURN_IF_ERROR(ReadUnconfirmed(page, &tier.unconfirmed));
  std::string key = tier.name;
  tiers_.insert_or_assign(std::move(key), std::move(tier));
  return absl::OkStatus();
}

std::vector<const Tier*> TierLibrary::Tiers() const {
  std::vector<const Tier*> tiers;
  for (const auto& [name, tier] : tiers_) tiers.push_back(&tier);
  std::ranges::stable_sort(tiers, {}, [](const Tier* tier) {
    return std::tuple(tier->shape.Counts().Total(), TotalsOf(tier->shape).gpus);
  });
  return tiers;
}

absl::StatusOr<const Tier*> TierLibrary::FindTier(std::string_view name) const {
  const std::string canonical = CanonicalTierName(name);
  if (const auto tier = tiers_.find(canonical); tier != tiers_.end()) return &tier->second;
  if (canonical == kCustomTier) {
    return base::InvalidArgument(
        "the scale tier CUSTOM has the shape that a --config file or flags give it, beginning "
        "with the master's machine type");
  }
  if (canonical == kTpuTier) {
    return base::Unimplemented(
        "the scale tier {} asks for a TPU, and dime runs on none; there are "
        "{}",
        kTpuTier, base::Listed(TierNames()));
  }
  return base::InvalidArgument("there is no scale tier {}; there are {}{}", base::Quoted(name),
                               base::Listed(TierNames()), base::DidYouMean(canonical, TierNames()));
}

std::vector<std::string> TierLibrary::TierNames() const {
  std::vector<std::string> names;
  for (const Tier* const tier : Tiers()) names.push_back(tier->name);
  names.emplace_back(kCustomTier);
  return names;
}

const MachineType* TierLibrary::FindMachineType(const std::string& name) const {
  const auto type = machine_types_.find(name);
  return type == machine_types_.end() ? nullptr : &type->second;
}

std::vector<std::string> TierLibrary::MachineTypeNames() const {
  std::vector<std::string> names;
  for (const auto& [name, type] : machine_types_) names.push_back(name);
  return names;
}

}  // namespace dime::cluster
