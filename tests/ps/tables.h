// tests/ps/tables.h - tables, and optimizers for them.
#pragma once

#include <memory>
#include <vector>

#include "ps/table.h"

namespace dime::ps {

using Tables = std::vector<std::unique_ptr<Table>>;

inline const ops::OptimizerSpec kAdagrad = {.kind = ops::OptimizerKind::kAdagrad,
                                            .learning_rate = 0.5f};

inline std::vector<Table*> Pointers(const Tables& tables) {
  std::vector<Table*> pointers;
  for (const auto& table : tables) pointers.push_back(table.get());
  return pointers;
}

}  // namespace dime::ps
