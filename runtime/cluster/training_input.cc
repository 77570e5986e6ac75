#include "runtime/cluster/training_input.h"

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/base/suggest.h"
#include "runtime/base/text.h"
#include "runtime/base/yaml_tree.h"
#include "runtime/cluster/internal/role_keys.h"
#include "runtime/cluster/internal/training_request.h"

namespace dime::cluster {
namespace {

using internal::Placed;
using internal::RoleKeys;
using internal::RoleRequest;
using internal::TrainingRequest;

// `status` with the place in front of its message.
absl::Status At(std::string_view place, const absl::Status& status) {
  return base::Annotate(status, place);
}

absl::Status SetMachines(const RoleKeys& keys, const std::optional<std::string>& type,
                         const std::optional<std::int64_t>& count, TrainingRequest* request) {
  if (type.has_value() != count.has_value()) {
    return base::InvalidArgument("{0}: {0} and {1} are given together or not at all",
                                 count ? keys.count_flag : keys.type_flag,
                                 count ? keys.type_flag : keys.count_flag);
  }
  if (!type) return absl::OkStatus();
  if (*count < 1 || *count > kMaxReplicas) {
    return base::InvalidArgument("{}: '{}' is not a whole number from 1 to {}", keys.count_flag,
                                 *count, kMaxReplicas);
  }
  RoleRequest& role = request->Of(keys.role);
  role.type = Placed<std::string>{*type, std::string(keys.type_flag)};
  role.count = Placed<std::int64_t>{*count, std::string(keys.count_flag)};
  return absl::OkStatus();
}

absl::Status ApplyMachineFlags(const TrainingFlags& flags, TrainingRequest* request) {
  for (const RoleKeys& keys : internal::kRoleKeys) {
    if (keys.role == Role::kMaster && flags.master_machine_type) {
      request->Of(keys.role).type =
          Placed<std::string>{*flags.master_machine_type, std::string(keys.type_flag)};
    } else if (keys.role == Role::kWorker) {
      DIME_RETURN_IF_ERROR(
          SetMachines(keys, flags.worker_machine_type, flags.worker_count, request));
    } else if (keys.role == Role::kParameterServer) {
      DIME_RETURN_IF_ERROR(SetMachines(keys, flags.parameter_server_machine_type,
                                       flags.parameter_server_count, request));
    }
  }
  return absl::OkStatus();
}

template <typename T>
void Replace(const std::optional<T>& flag, T* field) {
  if (flag) *field = *flag;
}
template <typename T>
void Replace(const std::optional<T>& flag, const char* name, std::optional<Placed<T>>* field) {
  if (flag) *field = Placed<T>{*flag, name};
}

absl::Status ApplyFlags(const TrainingFlags& flags, TrainingRequest* request) {
  TrainingInput& input = request->input;
  Replace(flags.module_name, &input.module);
  Replace(flags.job_dir, &input.job_dir);
  Replace(flags.region, &input.region);
  Replace(flags.runtime_version, &input.runtime_version);
  Replace(flags.python_version, &input.python_version);
  Replace(flags.packages, &input.package_uris);
  Replace(flags.args, &input.args);
  Replace(flags.job_id, "JOB", &request->job_id);
  Replace(flags.scale_tier, "--scale-tier", &request->scale_tier);
  Replace(flags.consistency, "--consistency", &request->consistency);
  Replace(flags.micro_batches, "--micro-batches", &request->micro_batches);
  Replace(flags.dense, "--dense", &request->dense);
  if (flags.pull_ahead) request->pull_ahead = {true, "--pull-ahead"};
  Replace(flags.wire_precision, "--wire-precision", &request->wire_precision);
  return ApplyMachineFlags(flags, request);
}

absl::Status CheckJobId(const Placed<std::string>& job_id) {
  constexpr std::size_t kMaxBytes = 128;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const std::string& name = job_id.value;
  const bool is_good = !name.empty() && name.size() <= kMaxBytes && is_letter(name[0]) &&
                       std::ranges::all_of(name, [&](char c) {
                         return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
                       });
  if (is_good) return absl::OkStatus();
  return base::InvalidArgument(
      "{}: {} is no job name: a letter, then letters, digits and '_', at most {} in all",
      job_id.place, base::Quoted(name), kMaxBytes);
}

// Types and counts belong to CUSTOM; `tier` is another.
absl::Status CheckNoMachines(const TrainingRequest& request, const std::string& tier) {
  for (const RoleRequest& role : request.roles) {
    const std::string* place = nullptr;
    if (role.type) place = &role.type->place;
    if (role.count) place = &role.count->place;
    if (role.accelerators) place = &role.accelerators->place;
    if (place == nullptr) continue;
    return base::InvalidArgument(
        "{}: machine types, counts and accelerators are given with the scale tier CUSTOM only, and "
        "the scale tier is {}{}",
        *place, tier, request.scale_tier ? "" : ", the default");
  }
  return absl::OkStatus();
}

absl::StatusOr<MachineType> ResolveMachine(const Placed<std::string>& type,
                                           const TierLibrary& library) {
  if (type.value == "cloud_tpu") {
    return base::Unimplemented("{}: dime runs on no TPU", type.place);
  }
  if (const MachineType* const known = library.FindMachineType(type.value)) return *known;
  const std::vector<std::string> names = library.MachineTypeNames();
  return base::InvalidArgument("{}: there is no machine type {}; there are {}{}", type.place,
                               base::Quoted(type.value), base::Listed(names),
                               base::DidYouMean(type.value, names));
}

// One role of a CUSTOM cluster.
absl::Status ResolveRole(const RoleKeys& keys, const RoleRequest& asked, const TierLibrary& library,
                         TrainingInput* input) {
  RoleShape& role = input->shape.Of(keys.role);
  if (asked.count) role.count = asked.count->value;
  if (role.count > 0 && !asked.type) {
    return base::InvalidArgument("{}: {} is mandatory, as {} is not 0", asked.count->place,
                                 keys.type, keys.count);
  }
  if (!asked.type) return absl::OkStatus();
  DIME_ASSIGN_OR_RETURN(role.machine, ResolveMachine(*asked.type, library));
  if (asked.accelerators) {
    role.machine.gpus = asked.accelerators->value.count;
    role.machine.gpu_type = asked.accelerators->value.type;
    role.machine.units_per_hour.reset();  // No price list has this combination.
  }
  if (role.count == 0) {
    input->notes.push_back(
        fmt::format("{}: has no effect without {}", asked.type->place, keys.count));
  }
  return absl::OkStatus();
}

absl::Status ResolveCustom(const TrainingRequest& request, const TierLibrary& library,
                           TrainingInput* input) {
  const std::string& place = request.scale_tier->place;
  if (!request.Of(Role::kMaster).type) {
    return base::InvalidArgument(
        "{}: CUSTOM needs the master's machine type: masterType in the page, or "
        "--master-machine-type",
        place);
  }
  for (const RoleKeys& keys : internal::kRoleKeys) {
    DIME_RETURN_IF_ERROR(ResolveRole(keys, request.Of(keys.role), library, input));
  }
  if (const std::int64_t total = input->shape.Counts().Total(); total > kMaxReplicas) {
    return base::InvalidArgument("{}: the cluster has {} replicas; at most {} are allowed", place,
                                 total, kMaxReplicas);
  }
  input->scale_tier = kCustomTier;
  return absl::OkStatus();
}

absl::Status ResolveShape(const TrainingRequest& request, const TierLibrary& library,
                          TrainingInput* input) {
  const std::string name =
      request.scale_tier ? request.scale_tier->value : std::string(kDefaultTier);
  if (CanonicalTierName(name) == kCustomTier) return ResolveCustom(request, library, input);
  const absl::StatusOr<const Tier*> tier = library.FindTier(name);
  if (!tier.ok()) {
    return request.scale_tier ? At(request.scale_tier->place, tier.status()) : tier.status();
  }
  DIME_RETURN_IF_ERROR(CheckNoMachines(request, (*tier)->name));
  input->scale_tier = (*tier)->name;
  input->shape = (*tier)->shape;
  return absl::OkStatus();
}

absl::Status ResolveConsistency(const TrainingRequest& request, TrainingInput* input) {
  const RoleCounts counts = input->shape.Counts();
  if (request.dense) {
    const absl::StatusOr<DenseRows> dense = ParseDenseRows(request.dense->value);
    if (!dense.ok()) return At(request.dense->place, dense.status());
    input->dense = *dense;
  }
  if (request.wire_precision) {
    const absl::StatusOr<WirePrecision> given = ParseWirePrecision(request.wire_precision->value);
    if (!given.ok()) return At(request.wire_precision->place, given.status());
    input->wire_precision = *given;
  }
  input->consistency = DefaultConsistency(counts.parameter_servers > 0, input->dense);
  if (request.consistency) {
    const absl::StatusOr<Consistency> given = ParseConsistency(request.consistency->value);
    if (!given.ok()) return At(request.consistency->place, given.status());
    input->consistency = *given;
    const absl::Status fits = CheckDenseRows(input->dense, *given);
    if (!fits.ok()) return At(request.dense->place, fits);
  }
  input->pull_ahead = request.pull_ahead.value;
  const absl::Status may_pull = CheckPullAhead(input->pull_ahead, input->consistency);
  if (!may_pull.ok()) return At(request.pull_ahead.place, may_pull);
  input->micro_batches = counts.NumTrainers();
  if (!request.micro_batches) return absl::OkStatus();
  const auto& [micro_batches, place] = *request.micro_batches;
  if (micro_batches < 1 || micro_batches > internal::kMaxMicroBatches) {
    return base::InvalidArgument("{}: '{}' is not a whole number from 1 to {}", place,
                                 micro_batches, internal::kMaxMicroBatches);
  }
  input->micro_batches = micro_batches;
  if (!input->consistency.is_sync()) {
    input->notes.push_back(fmt::format("{}: has no effect unless the consistency is sync", place));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TrainingInput> ResolveTrainingInput(std::string_view page, const std::string& file,
                                                   const TrainingFlags& flags,
                                                   const TierLibrary& library) {
  TrainingRequest request;
  DIME_RETURN_IF_ERROR(internal::ReadTrainingPage(page, file, &request));
  DIME_RETURN_IF_ERROR(ApplyFlags(flags, &request));
  TrainingInput input = std::move(request.input);
  if (request.job_id) {
    DIME_RETURN_IF_ERROR(CheckJobId(*request.job_id));
    input.job_id = request.job_id->value;
  }
  DIME_RETURN_IF_ERROR(ResolveShape(request, library, &input));
  DIME_RETURN_IF_ERROR(ResolveConsistency(request, &input));
  return input;
}

}  // namespace dime::cluster
