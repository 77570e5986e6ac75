// runtime/cluster/tiers.h - the scale tiers and machine types that there are, read from their
// pages.
//
// A folder of configurations has machine_types.yaml and tiers/*.yaml (configs/ has those of dime).
// Several folders add up: what a later one has under the same name replaces what an earlier one
// had, for the tiers of all. Errors are kInvalidArgument: "file:line: key.path: what is wrong and
// what is allowed".
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/cluster/cluster_shape.h"

namespace dime::cluster {

// The tier whose shape the user's own page gives; it has no page here.
inline constexpr std::string_view kCustomTier = "CUSTOM";
// The tier that is meant when none is named.
inline constexpr std::string_view kDefaultTier = "BASIC";

// A cluster shape with a name.
struct Tier {
  std::string name;
  std::string summary;  // One line.
  ClusterShape shape;
  std::optional<double> units_per_hour;  // Absent when they are not known.
  std::vector<std::string> unconfirmed;  // The keys of its page whose figures nobody confirmed.
  std::string file;
};

// "STANDARD_1" for "standard-1", as gcloud takes it.
[[nodiscard]] std::string CanonicalTierName(std::string_view name);

class TierLibrary {
 public:
  // A folder may lack either part, the first one neither. A tier's page that is wrong is left out
  // with a warning, so that it does not hide the others.
  static absl::StatusOr<TierLibrary> Read(std::span<const std::string> directories);

  // A page's text; tiers come after the machine types that they name.
  absl::Status AddMachineTypes(std::string_view yaml, const std::string& file);
  absl::Status AddTier(std::string_view yaml, const std::string& file);

  // In the order of their size, then of their names.
  [[nodiscard]] std::vector<const Tier*> Tiers() const;
  // By any spelling that CanonicalTierName() knows. kInvalidArgument for CUSTOM, and for what there
  // is not: with the nearest name, or why not.
  absl::StatusOr<const Tier*> FindTier(std::string_view name) const;
  // With CUSTOM.
  [[nodiscard]] std::vector<std::string> TierNames() const;

  // Null when there is none.
  [[nodiscard]] const MachineType* FindMachineType(const std::string& name) const;
  [[nodiscard]] std::vector<std::string> MachineTypeNames() const;

  // Dollars for a unit and an hour, by part of the world.
  [[nodiscard]] const std::map<std::string, double>& unit_prices() const { return unit_prices_; }

 private:
  // What the folder does not have is kNotFound.
  absl::Status ReadMachineTypes(const std::string& directory);
  absl::Status ReadTiers(const std::string& directory);

  std::map<std::string, MachineType> machine_types_;
  std::map<std::string, Tier> tiers_;
  std::map<std::string, double> unit_prices_;
};

}  // namespace dime::cluster
