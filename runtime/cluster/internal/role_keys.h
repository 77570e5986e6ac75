// runtime/cluster/internal/role_keys.h - what pages and command lines call the replicas of a role.
#pragma once

#include <string_view>

#include "runtime/cluster/replica.h"

namespace dime::cluster::internal {

struct RoleKeys {
  Role role;
  std::string_view type;    // The key of its machine type.
  std::string_view count;   // "": there is always one.
  std::string_view config;  // The key of its accelerators and container.
  std::string_view type_flag;
  std::string_view count_flag;
};

inline constexpr RoleKeys kRoleKeys[] = {
    {Role::kMaster, "masterType", "", "masterConfig", "--master-machine-type", ""},
    {Role::kWorker, "workerType", "workerCount", "workerConfig", "--worker-machine-type",
     "--worker-count"},
    {Role::kParameterServer, "parameterServerType", "parameterServerCount", "parameterServerConfig",
     "--parameter-server-machine-type", "--parameter-server-count"},
    {Role::kEvaluator, "evaluatorType", "evaluatorCount", "evaluatorConfig", "", ""},
};

}  // namespace dime::cluster::internal
