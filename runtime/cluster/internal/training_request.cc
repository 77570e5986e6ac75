#include "runtime/cluster/internal/training_request.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/base/text.h"
#include "runtime/base/yaml_tree.h"
#include "runtime/cluster/internal/role_keys.h"

namespace dime::cluster::internal {
namespace {

using base::YamlNode;

constexpr std::size_t kMaxPackages = 100;
constexpr std::int64_t kMaxAccelerators = 64;
constexpr std::int64_t kMinWaitSeconds = 1800;
constexpr std::int64_t kMaxSeconds = 315'576'000'000;  // protobuf's Duration.

// Reads a text, and keeps its place.
absl::Status ReadPlaced(const YamlNode* node, std::optional<Placed<std::string>>* out) {
  if (node == nullptr) return absl::OkStatus();
  out->emplace().place = node->Place();
  return base::ReadText(node, &(*out)->value);
}

absl::Status ReadPlaced(const YamlNode* node, std::int64_t min, std::int64_t max,
                        std::optional<Placed<std::int64_t>>* out) {
  if (node == nullptr) return absl::OkStatus();
  out->emplace().place = node->Place();
  return base::ReadInteger(node, min, max, &(*out)->value);
}

absl::Status NotHere(const YamlNode& node, std::string_view why) {
  return base::Unimplemented("{}: {}", node.Place(), why);
}

// Notes each of `keys` that is there: `why`.
void NoteKeys(const YamlNode& map, std::initializer_list<std::string_view> keys,
              std::string_view why, std::vector<std::string>* notes) {
  for (const std::string_view key : keys) {
    const YamlNode* const node = map.Find(key);
    if (node != nullptr) notes->push_back(fmt::format("{}: {}", node->Place(), why));
  }
}

bool IsLowerCaseName(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

absl::Status ReadLabels(const YamlNode* node, std::map<std::string, std::string>* labels) {
  constexpr std::size_t kMaxBytes = 63;
  if (node == nullptr) return absl::OkStatus();
  if (node->kind != YamlNode::Kind::kMap) {
    return node->Error("a mapping is expected: {{key: value}}");
  }
  for (const YamlNode& label : node->children) {
    std::string value;
    DIME_RETURN_IF_ERROR(base::ReadText(&label, &value));
    const bool starts_well = !label.key.empty() && label.key[0] >= 'a' && label.key[0] <= 'z';
    if (!starts_well || !IsLowerCaseName(label.key) || !IsLowerCaseName(value) ||
        std::max(label.key.size(), value.size()) > kMaxBytes) {
      return label.Error(
          "keys and values of labels are lower-case letters, digits, '-' and '_', at most {} of "
          "them; a key starts with a letter",
          kMaxBytes);
    }
    labels->emplace(label.key, std::move(value));
  }
  return absl::OkStatus();
}

// "7200s".
absl::Status ReadSeconds(const YamlNode* node, std::int64_t min,
                         std::optional<std::int64_t>* seconds) {
  if (node == nullptr) return absl::OkStatus();
  std::string text;
  DIME_RETURN_IF_ERROR(base::ReadText(node, &text));
  std::int64_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  const bool is_duration = error == std::errc() && std::string_view(end, last) == "s";
  if (!is_duration || value < min || value > kMaxSeconds) {
    return node->Error("{} is not a time from {}s to {}s, such as 7200s", base::Quoted(text), min,
                       kMaxSeconds);
  }
  *seconds = value;
  return absl::OkStatus();
}

absl::Status ReadScheduling(const YamlNode* node, TrainingInput* input) {
  if (node == nullptr) return absl::OkStatus();
  DIME_RETURN_IF_ERROR(base::CheckKeys(*node, {}, {"maxRunningTime", "maxWaitTime"}));
  DIME_RETURN_IF_ERROR(ReadSeconds(node->Find("maxRunningTime"), 1, &input->max_running_seconds));
  return ReadSeconds(node->Find("maxWaitTime"), kMinWaitSeconds, &input->max_wait_seconds);
}

absl::Status ReadAccelerators(const YamlNode* node, std::optional<Placed<Accelerators>>* out) {
  if (node == nullptr) return absl::OkStatus();
  const std::vector<std::string> known = {"NVIDIA_TESLA_K80", "NVIDIA_TESLA_P100",
                                          "NVIDIA_TESLA_V100", "NVIDIA_TESLA_P4",
                                          "NVIDIA_TESLA_T4"};
  DIME_RETURN_IF_ERROR(base::CheckKeys(*node, {"count", "type"}, {}));
  Placed<Accelerators>& accelerators = out->emplace();
  accelerators.place = node->Place();
  DIME_RETURN_IF_ERROR(
      base::ReadInteger(node->Find("count"), 1, kMaxAccelerators, &accelerators.value.count));
  const YamlNode& type = *node->Find("type");
  DIME_RETURN_IF_ERROR(base::ReadText(&type, &accelerators.value.type));
  if (accelerators.value.type.starts_with("TPU")) return NotHere(type, "dime runs on no TPU");
  if (std::ranges::find(known, accelerators.value.type) == known.end()) {
    return base::UnknownName(type, "accelerator", accelerators.value.type, known);
  }
  return absl::OkStatus();
}

absl::Status ReadRole(const YamlNode& input, const RoleKeys& keys, RoleRequest* role) {
  DIME_RETURN_IF_ERROR(ReadPlaced(input.Find(keys.type), &role->type));
  if (!keys.count.empty()) {
    // dime's evaluator is one, as TensorFlow's.
    const std::int64_t most = keys.role == Role::kEvaluator ? 1 : kMaxReplicas;
    DIME_RETURN_IF_ERROR(ReadPlaced(input.Find(keys.count), 0, most, &role->count));
  }
  const YamlNode* const config = input.Find(keys.config);
  if (config == nullptr) return absl::OkStatus();
  DIME_RETURN_IF_ERROR(base::CheckKeys(*config, {}, {"acceleratorConfig", "imageUri"}));
  if (const YamlNode* const image = config->Find("imageUri"); image != nullptr) {
    return NotHere(*image, "dime runs no containers: it is the trainer itself");
  }
  return ReadAccelerators(config->Find("acceleratorConfig"), &role->accelerators);
}

absl::Status CheckInputKeys(const YamlNode& node) {
  std::vector<std::string_view> allowed = {
      "args",           "jobDir",           "packageUris",        "pythonModule",
      "pythonVersion",  "region",           "runtimeVersion",     "scaleTier",
      "scheduling",     "network",          "useChiefInTfConfig", "hyperparameters",
      "serviceAccount", "encryptionConfig", "enableWebAccess"};
  for (const RoleKeys& keys : kRoleKeys) {
    allowed.insert(allowed.end(), {keys.type, keys.config});
    if (!keys.count.empty()) allowed.push_back(keys.count);
  }
  return base::CheckKeys(node, {}, allowed);
}

absl::Status ReadPackages(const YamlNode* node, TrainingInput* input) {
  DIME_RETURN_IF_ERROR(base::ReadTexts(node, &input->package_uris));
  if (input->package_uris.size() <= kMaxPackages) return absl::OkStatus();
  return node->Error("lists {} packages; at most {} are allowed", input->package_uris.size(),
                     kMaxPackages);
}

absl::Status ReadInput(const YamlNode& node, TrainingRequest* request) {
  DIME_RETURN_IF_ERROR(CheckInputKeys(node));
  if (const YamlNode* const tuning = node.Find("hyperparameters"); tuning != nullptr) {
    return NotHere(*tuning,
                   "the tuning of hyperparameters is not built yet; leave the key out, and "
                   "give the values under args");
  }
  TrainingInput& input = request->input;
  const std::pair<const char*, std::string*> texts[] = {{"jobDir", &input.job_dir},
                                                        {"pythonModule", &input.module},
                                                        {"pythonVersion", &input.python_version},
                                                        {"region", &input.region},
                                                        {"runtimeVersion", &input.runtime_version}};
  for (const auto& [key, text] : texts) DIME_RETURN_IF_ERROR(base::ReadText(node.Find(key), text));
  DIME_RETURN_IF_ERROR(base::ReadTexts(node.Find("args"), &input.args));
  DIME_RETURN_IF_ERROR(ReadPackages(node.Find("packageUris"), &input));
  DIME_RETURN_IF_ERROR(
      base::ReadBool(node.Find("useChiefInTfConfig"), &input.use_chief_in_tf_config));
  DIME_RETURN_IF_ERROR(ReadScheduling(node.Find("scheduling"), &input));
  DIME_RETURN_IF_ERROR(ReadPlaced(node.Find("scaleTier"), &request->scale_tier));
  for (const RoleKeys& keys : kRoleKeys) {
    DIME_RETURN_IF_ERROR(ReadRole(node, keys, &request->Of(keys.role)));
  }
  NoteKeys(node, {"packageUris", "pythonVersion"}, "has no effect here: dime runs no Python",
           &input.notes);
  NoteKeys(node, {"region", "network", "serviceAccount", "encryptionConfig", "enableWebAccess"},
           "has no effect here: the machines are your own", &input.notes);
  return absl::OkStatus();
}

absl::Status ReadOwnSection(const YamlNode& node, TrainingRequest* request) {
  DIME_RETURN_IF_ERROR(base::CheckKeys(
      node, {}, {"consistency", "microBatches", "dense", "pullAhead", "wirePrecision"}));
  DIME_RETURN_IF_ERROR(ReadPlaced(node.Find("consistency"), &request->consistency));
  DIME_RETURN_IF_ERROR(ReadPlaced(node.Find("dense"), &request->dense));
  if (const YamlNode* const pull_ahead = node.Find("pullAhead")) {
    DIME_RETURN_IF_ERROR(base::ReadBool(pull_ahead, &request->pull_ahead.value));
    request->pull_ahead.place = pull_ahead->Place();
  }
  DIME_RETURN_IF_ERROR(ReadPlaced(node.Find("wirePrecision"), &request->wire_precision));
  return ReadPlaced(node.Find("microBatches"), 1, kMaxMicroBatches, &request->micro_batches);
}

bool IsGiven(const YamlNode* node) {
  return node != nullptr && node->kind != YamlNode::Kind::kNull;
}

}  // namespace

absl::Status ReadTrainingPage(std::string_view page, const std::string& file,
                              TrainingRequest* request) {
  DIME_ASSIGN_OR_RETURN(const YamlNode job, base::ParseYaml(page, file));
  if (!IsGiven(&job)) return absl::OkStatus();
  DIME_RETURN_IF_ERROR(
      base::CheckKeys(job, {},
                      {"jobId", "labels", "trainingInput", "dime", "createTime", "startTime",
                       "endTime", "state", "errorMessage", "trainingOutput", "etag"}));
  DIME_RETURN_IF_ERROR(ReadPlaced(job.Find("jobId"), &request->job_id));
  DIME_RETURN_IF_ERROR(ReadLabels(job.Find("labels"), &request->input.labels));
  NoteKeys(
      job,
      {"createTime", "startTime", "endTime", "state", "errorMessage", "trainingOutput", "etag"},
      "has no effect here: it is what a job says of itself", &request->input.notes);
  if (const YamlNode* const input = job.Find("trainingInput"); IsGiven(input)) {
    DIME_RETURN_IF_ERROR(ReadInput(*input, request));
  }
  const YamlNode* const own = job.Find("dime");
  return IsGiven(own) ? ReadOwnSection(*own, request) : absl::OkStatus();
}

}  // namespace dime::cluster::internal
