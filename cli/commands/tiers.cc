#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/arguments.h"
#include "cli/cluster_flags.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/terminal/table.h"
#include "runtime/base/log.h"
#include "runtime/base/yaml_tree.h"

namespace dime::cli {
namespace {

using Json = nlohmann::ordered_json;
using cluster::ClusterShape;
using cluster::ClusterTotals;
using cluster::Role;
using cluster::Tier;
using cluster::TierLibrary;

constexpr char kListName[] = "dime tiers list";
constexpr char kDescribeName[] = "dime tiers describe";

// Tables show one part of the world: the United States, as price lists did, or the first there is.
std::string PricePlace(const TierLibrary& library) {
  const auto& prices = library.unit_prices();
  if (prices.contains("us")) return "us";
  return prices.empty() ? "" : prices.begin()->first;
}

// Prices have four decimals; half a hundredth of a cent is rounded up, as price lists do, though it
// may have become a little less on its way through a double.
double Rounded(double value) {
  constexpr double kDecimals = 1e4;
  return std::floor(value * kDecimals + 0.5 + 1e-6) / kDecimals;
}

std::string FormatNumber(std::optional<double> value) {
  return value ? fmt::format("{:g}", *value) : "-";
}
std::string FormatUnits(std::optional<double> value) {
  return value ? fmt::format("{:.4f}", Rounded(*value)) : "-";
}

std::string FormatPrice(std::optional<double> units, const TierLibrary& library) {
  const auto price = library.unit_prices().find(PricePlace(library));
  if (!units || price == library.unit_prices().end()) return "-";
  return fmt::format("{:.4f}", Rounded(*units * price->second));
}

// Cores, memory, GPUs, units and price of some machines.
TableRow NumbersOf(const ClusterTotals& totals, const TierLibrary& library) {
  return {fmt::to_string(totals.cores), FormatNumber(totals.memory_gb), fmt::to_string(totals.gpus),
          FormatUnits(totals.units_per_hour), FormatPrice(totals.units_per_hour, library)};
}

constexpr const char* kNumberTitles[] = {"CORES", "MEMORY_GB", "GPUS", "UNITS_PER_HOUR",
                                         "DOLLARS_PER_HOUR"};

// With the units that were published for the tier as a whole.
ClusterTotals TotalsOf(const Tier& tier) {
  ClusterTotals totals = cluster::TotalsOf(tier.shape);
  totals.units_per_hour = tier.units_per_hour;
  return totals;
}

// All replicas of one role.
ClusterTotals TotalsOfRole(const cluster::RoleShape& role) {
  ClusterShape alone;
  alone.master = role;
  return cluster::TotalsOf(alone);
}

std::string FormatTiers(const TierLibrary& library) {
  std::vector<TableRow> rows = {{"NAME", "PROCESSES"}};
  rows[0].insert(rows[0].end(), std::begin(kNumberTitles), std::end(kNumberTitles));
  rows[0].emplace_back("SUMMARY");
  for (const Tier* const tier : library.Tiers()) {
    const ClusterTotals totals = TotalsOf(*tier);
    TableRow& row = rows.emplace_back(TableRow{tier->name, fmt::to_string(totals.replicas)});
    const TableRow numbers = NumbersOf(totals, library);
    row.insert(row.end(), numbers.begin(), numbers.end());
    row.push_back(tier->summary);
  }
  rows.push_back({std::string(cluster::kCustomTier), "-", "-", "-", "-", "-", "-",
                  "What --config or flags give: dime tiers describe CUSTOM --help"});
  return FormatTable(rows);
}

std::string FormatRoles(const Tier& tier, const TierLibrary& library) {
  std::vector<TableRow> rows = {{"ROLE", "PROCESSES", "MACHINE_TYPE"}};
  rows[0].insert(rows[0].end(), std::begin(kNumberTitles), std::end(kNumberTitles));
  const auto add = [&](TableRow row, const ClusterTotals& totals) {
    const TableRow numbers = NumbersOf(totals, library);
    row.insert(row.end(), numbers.begin(), numbers.end());
    rows.push_back(std::move(row));
  };
  for (const Role role : cluster::kRoles) {
    const cluster::RoleShape& shape = tier.shape.Of(role);
    if (shape.count == 0) continue;
    add({std::string(RoleName(role)), fmt::to_string(shape.count), shape.machine.name},
        TotalsOfRole(shape));
  }
  const ClusterTotals totals = TotalsOf(tier);
  add({"all", fmt::to_string(totals.replicas), ""}, totals);
  return FormatTable(rows);
}

// "europe $3.1986, us $2.9025".
std::string FormatPrices(const Tier& tier, const TierLibrary& library) {
  std::string text;
  for (const auto& [place, price] : library.unit_prices()) {
    if (!tier.units_per_hour) break;
    text +=
        fmt::format("{}{} ${:.4f}", text.empty() ? "" : ", ", place, *tier.units_per_hour * price);
  }
  return text;
}

// "workerCount; cores of standard".
std::string FormatUnconfirmed(const Tier& tier) {
  std::vector<std::string> items = tier.unconfirmed;
  std::vector<std::string> seen;
  for (const Role role : cluster::kRoles) {
    const auto& [count, machine] = tier.shape.Of(role);
    const bool is_new = std::ranges::find(seen, machine.name) == seen.end();
    if (count == 0 || machine.unconfirmed.empty() || !is_new) continue;
    seen.push_back(machine.name);
    items.push_back(fmt::format("{} of {}", fmt::join(machine.unconfirmed, " and "), machine.name));
  }
  return fmt::format("{}", fmt::join(items, ", "));
}

std::string FormatTier(const Tier& tier, const TierLibrary& library) {
  std::string text =
      tier.summary.empty() ? tier.name + "\n" : fmt::format("{}: {}\n", tier.name, tier.summary);
  text += "\n" + FormatRoles(tier, library);
  std::vector<TableRow> rows;
  const std::pair<const char*, std::string> lines[] = {
      {"price per hour", FormatPrices(tier, library)},
      {"not confirmed", FormatUnconfirmed(tier)},
      {"file", tier.file}};
  for (const auto& [title, line] : lines) {
    if (!line.empty()) rows.push_back({title, line});
  }
  return text + (rows.empty() ? "" : "\n" + FormatTable(rows));
}

Json AsJson(std::optional<double> value) { return value ? Json(Rounded(*value)) : Json(nullptr); }

void AddNumbers(const ClusterTotals& totals, const TierLibrary& library, Json* object) {
  (*object)["cores"] = totals.cores;
  (*object)["memory_gb"] = Rounded(totals.memory_gb);
  (*object)["gpus"] = totals.gpus;
  (*object)["units_per_hour"] = AsJson(totals.units_per_hour);
  Json& prices = (*object)["dollars_per_hour"] = Json::object();
  for (const auto& [place, price] : library.unit_prices()) {
    if (totals.units_per_hour) prices[place] = Rounded(*totals.units_per_hour * price);
  }
}

Json AsJson(const Tier& tier, const TierLibrary& library) {
  const ClusterTotals totals = TotalsOf(tier);
  Json object = {{"name", tier.name}, {"summary", tier.summary}, {"processes", totals.replicas}};
  AddNumbers(totals, library, &object);
  Json& roles = object["roles"] = Json::array();
  for (const Role role : cluster::kRoles) {
    const auto& [count, machine] = tier.shape.Of(role);
    if (count == 0) continue;
    Json& item = roles.emplace_back(Json{{"role", RoleName(role)},
                                         {"processes", count},
                                         {"machine_type", machine.name},
                                         {"gpu_type", machine.gpu_type}});
    AddNumbers(TotalsOfRole(tier.shape.Of(role)), library, &item);
    item["unconfirmed"] = machine.unconfirmed;
  }
  object["unconfirmed"] = tier.unconfirmed;
  object["file"] = tier.file;
  return object;
}

std::string DumpLine(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

base::YamlNode AsYaml(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return base::YamlNode::Text(value.get<std::string>());
  if (value.is_array()) {
    base::YamlNode list = base::YamlNode::List({});
    for (const Json& item : value) list.children.push_back(AsYaml(item));
    return list;
  }
  if (!value.is_object()) return base::YamlNode::Text(value.dump());
  base::YamlNode map = base::YamlNode::Map();
  for (const auto& [key, item] : value.items()) map.Add(key, AsYaml(item));
  return map;
}

void DeclareFormat(CLI::App& app, std::string* format) {
  app.add_option("--format", *format, "Print a table (text), JSON or YAML [text]")
      ->transform(OneOf({"text", "json", "yaml"}))
      ->type_name("FORMAT")
      ->group("Options");
}

// The cluster that the flags of `describe` ask for, as a tier.
absl::StatusOr<Tier> Describe(const ClusterFlags& flags, const TierLibrary& library) {
  DIME_ASSIGN_OR_RETURN(const cluster::TrainingInput input, ReadTrainingInput(flags, library));
  for (const std::string& note : input.notes) base::Log(base::Severity::kInfo, "{}", note);
  if (const auto tier = library.FindTier(input.scale_tier); tier.ok()) return **tier;
  return Tier{.name = input.scale_tier,
              .summary = "",
              .shape = input.shape,
              .units_per_hour = cluster::TotalsOf(input.shape).units_per_hour,
              .unconfirmed = {},
              .file = flags.config.value_or("")};
}

// A name or flags that are wrong; what is wrong in a page is no matter of the command line.
absl::Status CheckName(const std::string& name, const TierLibrary& library) {
  if (cluster::CanonicalTierName(name) == cluster::kCustomTier) return absl::OkStatus();
  return library.FindTier(name).status();
}

}  // namespace

int RunTiersList(Words args) {
  ClusterFlags flags;
  std::string format = "text";
  CLI::App app(
      "Lists the scale tiers: how many processes each is, what their machines have together, and "
      "what they cost on Cloud ML Engine (2018); on machines of your own it is what you compare "
      "with.",
      kListName);
  DeclareConfigsFlag(app, &flags);
  DeclareFormat(app, &format);
  if (const std::optional<int> exit_code = ParseOrExit(args, app)) return *exit_code;
  const absl::StatusOr<TierLibrary> library = ReadTiers(flags);
  if (!library.ok()) return ReportError(kListName, library.status());
  if (format == "text") {
    fmt::print("{}", FormatTiers(*library));
    return kExitOk;
  }
  Json tiers = Json::array();
  for (const Tier* const tier : library->Tiers()) {
    tiers.push_back(AsJson(*tier, *library));
  }
  if (format == "json") {
    fmt::print("{}", DumpLine(tiers));
    return kExitOk;
  }
  for (const Json& tier : tiers) fmt::print("- {}\n", base::FormatYamlLine(AsYaml(tier)));
  return kExitOk;
}

int RunTiersDescribe(Words args) {
  ClusterFlags flags;
  std::string format = "text";
  CLI::App app(
      "Shows which machines a scale tier has in each role, and what they cost. CUSTOM has those of "
      "--config or of the flags, which are checked as a job's are.",
      kDescribeName);
  app.add_option("TIER", flags.training.scale_tier, "A name of `dime tiers list`, or CUSTOM")
      ->group("Arguments");
  DeclareClusterFlags(app, &flags);
  DeclareFormat(app, &format);
  if (const std::optional<int> exit_code = ParseOrExit(args, app)) return *exit_code;
  if (!flags.training.scale_tier && !flags.config) {
    return ReportUsageError(kDescribeName, "TIER or --config is required");
  }
  const absl::StatusOr<TierLibrary> library = ReadTiers(flags);
  if (!library.ok()) return ReportError(kDescribeName, library.status());
  if (flags.training.scale_tier) {
    const absl::Status known = CheckName(*flags.training.scale_tier, *library);
    if (!known.ok()) return ReportUsageError(kDescribeName, base::MessageOf(known));
  }
  const absl::StatusOr<Tier> tier = Describe(flags, *library);
  if (!tier.ok() && !flags.config) {
    return ReportUsageError(kDescribeName, base::MessageOf(tier.status()));
  }
  if (!tier.ok()) return ReportError(kDescribeName, tier.status());
  if (format == "text") {
    fmt::print("{}", FormatTier(*tier, *library));
  } else if (format == "json") {
    fmt::print("{}", DumpLine(AsJson(*tier, *library)));
  } else {
    fmt::print("{}", base::FormatYaml(AsYaml(AsJson(*tier, *library))));
  }
  return kExitOk;
}

}  // namespace dime::cli
