#include "runtime/cluster/tf_config.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/base/suggest.h"
#include "runtime/base/text.h"

namespace dime::cluster {
namespace {

using Json = nlohmann::json;  // The ordered one searches its keys one by one.

constexpr std::size_t kMaxDepth = 64;
constexpr char kChief[] = "chief";

template <typename... Args>
absl::Status Error(fmt::format_string<Args...> format, Args&&... args) {
  return base::InvalidArgument("TF_CONFIG: {}", fmt::format(format, std::forward<Args>(args)...));
}

template <typename Value>
std::string Dump(const Value& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

// A value for a message, cut when it is long.
std::string Shown(const Json& value) {
  constexpr std::size_t kMaxBytes = 80;
  return base::Printable(Dump(value), kMaxBytes);
}

// The library's own functions on what it has parsed recurse.
bool IsTooDeep(std::string_view json) {
  std::size_t depth = 0;
  bool is_in_text = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (is_in_text) {
      if (c == '\\') ++i;
      is_in_text = c != '"';
    } else if (c == '"') {
      is_in_text = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      depth -= std::min<std::size_t>(depth, 1);
    }
  }
  return false;
}

absl::StatusOr<Json> ParseObject(std::string_view json) {
  if (json.size() > kMaxTfConfigBytes) {
    return Error("is {} bytes long; at most {} are allowed", json.size(), kMaxTfConfigBytes);
  }
  if (IsTooDeep(json)) return Error("is nested more than {} levels deep", kMaxDepth);
  try {
    Json value = Json::parse(json);
    if (!value.is_object()) return Error("is no JSON object: {}", Shown(value));
    return value;
  } catch (const Json::exception& error) {
    constexpr std::size_t kMaxBytes = 200;
    std::string_view reason = error.what();
    reason.remove_prefix(std::min(reason.find("] ") + 2, reason.size()));
    return Error("is not JSON: {}", base::Printable(reason, kMaxBytes));
  }
}

// Null when it is not there, or is null.
const Json* Find(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

absl::StatusOr<std::vector<std::string>> ReadAddresses(const std::string& role, const Json& list) {
  if (!list.is_array()) {
    return Error("cluster.{}: {} is no list of addresses", role, Shown(list));
  }
  std::vector<std::string> addresses;
  for (const Json& item : list) {
    const std::string place = fmt::format("cluster.{}[{}]", role, addresses.size());
    if (!item.is_string()) return Error("{}: {} is no text", place, Shown(item));
    addresses.push_back(item.get<std::string>());
    const absl::Status parsed = ParseReplicaAddress(addresses.back()).status();
    if (!parsed.ok()) return Error("{}: {}", place, base::MessageOf(parsed));
  }
  return addresses;
}

absl::Status SetMaster(const std::string& name, std::vector<std::string> addresses,
                       TfConfig* config) {
  if (addresses.size() != 1) {
    return Error("cluster.{}: exactly one address is needed, not {}", name, addresses.size());
  }
  if (!config->cluster.master.empty()) {
    return Error("cluster: has a master and a chief; exactly one of them is needed");
  }
  config->cluster.master = std::move(addresses.front());
  config->has_chief = name == kChief;
  return absl::OkStatus();
}

absl::Status ReadRole(const std::string& name, const Json& list, TfConfig* config) {
  if (name == RoleName(Role::kEvaluator)) {
    return Error("cluster.evaluator: an evaluator is a task, and no part of the cluster");
  }
  DIME_ASSIGN_OR_RETURN(std::vector<std::string> addresses, ReadAddresses(name, list));
  if (name == RoleName(Role::kMaster) || name == kChief) {
    return SetMaster(name, std::move(addresses), config);
  }
  if (name == RoleName(Role::kWorker)) {
    config->cluster.workers = std::move(addresses);
  } else if (name == RoleName(Role::kParameterServer)) {
    config->cluster.parameter_servers = std::move(addresses);
  } else {
    const std::vector<std::string> known = {"master", kChief, "worker", "ps"};
    return Error("cluster.{}: is no role; allowed are {}{}", base::Printable(name, name.size()),
                 fmt::join(known, ", "), base::DidYouMean(name, known));
  }
  return absl::OkStatus();
}

absl::Status ReadCluster(const Json& cluster, TfConfig* config) {
  if (!cluster.is_object()) return Error("cluster: {} is no object", Shown(cluster));
  for (const auto& [name, list] : cluster.items()) {
    DIME_RETURN_IF_ERROR(ReadRole(name, list, config));
  }
  if (cluster.empty()) return absl::OkStatus();
  if (config->cluster.master.empty()) {
    return Error("cluster: has neither a master nor a chief; exactly one of them is needed");
  }
  const absl::Status checked = CheckClusterSpec(config->cluster);
  return checked.ok() ? checked : Error("cluster: {}", base::MessageOf(checked));
}

// A whole number, or a text that is one; TensorFlow takes either.
absl::StatusOr<std::int64_t> ReadIndex(const Json& value) {
  if (value.is_number_unsigned() && value.get<std::uint64_t>() < kMaxReplicas) {
    return value.get<std::int64_t>();
  }
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    std::int64_t index = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
    const bool is_number = error == std::errc() && end == text.data() + text.size();
    if (is_number && index >= 0 && index < kMaxReplicas) return index;
  }
  return Error("task.index: {} is not a whole number from 0 to {}", Shown(value), kMaxReplicas - 1);
}

// That the cluster has the replica `config->task`, which the page calls `type`.
absl::Status CheckTask(const TfConfig& config, const std::string& type) {
  const auto& [role, index] = config.task;
  if (role == Role::kMaster && config.has_chief != (type == kChief)) {
    return Error("task.type: '{}' is not in the cluster, which has a {}", type,
                 config.has_chief ? "chief" : "master");
  }
  const std::int64_t count = role == Role::kEvaluator ? 1 : config.cluster.Counts().Of(role);
  if (index < count) return absl::OkStatus();
  if (count == 0) return Error("task.type: '{}' is not in the cluster", type);
  return Error("task.index: {} is too large: the cluster has {} of {}", index, count, type);
}

absl::Status ReadTask(const Json& task, TfConfig* config) {
  if (!task.is_object()) return Error("task: {} is no object", Shown(task));
  if (const Json* const trial = Find(task, "trial"); trial != nullptr) {
    config->trial = trial->is_string() ? trial->get<std::string>() : Dump(*trial);
  }
  if (config->cluster.empty()) return absl::OkStatus();
  const Json* const type = Find(task, "type");
  const Json* const index = Find(task, "index");
  if (type == nullptr || index == nullptr) {
    return Error(
        "task: the key '{}' is missing; a process of a cluster is told both, type and "
        "index",
        type == nullptr ? "type" : "index");
  }
  if (!type->is_string()) return Error("task.type: {} is no text", Shown(*type));
  const auto& name = type->get_ref<const std::string&>();
  const absl::StatusOr<Role> role = ParseRole(name);
  if (!role.ok()) return Error("task.type: {}", base::MessageOf(role.status()));
  DIME_ASSIGN_OR_RETURN(const std::int64_t number, ReadIndex(*index));
  config->task = {*role, number};
  return CheckTask(*config, name);
}

nlohmann::ordered_json ClusterAsJson(const TfConfig& config) {
  auto cluster = nlohmann::ordered_json::object();
  if (config.cluster.empty()) return cluster;
  cluster[config.has_chief ? kChief : "master"] = {config.cluster.master};
  for (const Role role : {Role::kParameterServer, Role::kWorker}) {
    const std::span<const std::string> addresses = config.cluster.AddressesOf(role);
    if (addresses.empty()) continue;
    cluster[std::string(RoleName(role))] =
        std::vector<std::string>(addresses.begin(), addresses.end());
  }
  return cluster;
}

nlohmann::ordered_json TaskAsJson(const TfConfig& config) {
  auto task = nlohmann::ordered_json::object();
  if (!config.cluster.empty()) {
    const bool is_chief = config.has_chief && config.task.role == Role::kMaster;
    task["type"] = is_chief ? std::string(kChief) : std::string(RoleName(config.task.role));
    task["index"] = config.task.index;
  }
  if (!config.trial.empty()) task["trial"] = config.trial;
  return task;
}

}  // namespace

absl::StatusOr<TfConfig> ParseTfConfig(std::string_view json) {
  TfConfig config;
  config.environment.clear();
  if (base::Trimmed(json).empty()) return config;
  DIME_ASSIGN_OR_RETURN(const Json page, ParseObject(json));
  if (const Json* const cluster = Find(page, "cluster"); cluster != nullptr) {
    DIME_RETURN_IF_ERROR(ReadCluster(*cluster, &config));
  }
  const Json* const task = Find(page, "task");
  DIME_RETURN_IF_ERROR(ReadTask(task == nullptr ? Json::object() : *task, &config));
  if (const Json* const environment = Find(page, "environment"); environment != nullptr) {
    if (!environment->is_string()) {
      return Error("environment: {} is no text", Shown(*environment));
    }
    config.environment = environment->get<std::string>();
  }
  if (const Json* const job = Find(page, "job"); job != nullptr) config.job = Dump(*job);
  return config;
}

std::string FormatTfConfig(const TfConfig& config) {
  std::string page = fmt::format(R"({{"cluster":{},"task":{})", Dump(ClusterAsJson(config)),
                                 Dump(TaskAsJson(config)));
  if (!config.job.empty() && !IsTooDeep(config.job)) {
    const Json job = Json::parse(config.job, /*cb=*/nullptr, /*allow_exceptions=*/false);
    if (!job.is_discarded()) page += fmt::format(R"(,"job":{})", Dump(job));
  }
  if (!config.environment.empty()) {
    page += fmt::format(R"(,"environment":{})", Dump(Json(config.environment)));
  }
  return page + "}";
}

}  // namespace dime::cluster
