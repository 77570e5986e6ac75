// worker/collective/in_process.h - replicas that are threads of one process; or one alone.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "worker/collective/collective.h"

namespace dime::worker {

// One for each rank; each is used by a thread of its own. A rank whose object is destroyed takes
// part no more: others that wait for it get kUnavailable.
std::vector<std::unique_ptr<Collective>> MakeInProcessCollectives(
    int size, std::chrono::milliseconds patience);

}  // namespace dime::worker
