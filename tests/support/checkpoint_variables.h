// tests/support/checkpoint_variables.h - what a checkpoint says, however many files it is in.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/checkpoint/bundle.h"
#include "runtime/storage/file_system.h"
#include "tests/support/status_matchers.h"

namespace dime::testing {

// The names of all variables and their bytes, in the order of the names.
inline std::string CheckpointVariables(const std::string& prefix) {
  const auto reader = checkpoint::BundleReader::Open(storage::LocalFileSystem(), prefix);
  EXPECT_OK(reader);
  std::string bytes;
  if (!reader.ok()) return bytes;
  for (const auto& [name, info] : (*reader)->tensors()) {
    bytes += name;
    if (info.type == checkpoint::DataType::kInt64) continue;
    std::vector<float> values(static_cast<std::size_t>(info.num_elements()));
    EXPECT_OK((*reader)->ReadFloats(name, values));
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
  return bytes;
}

}  // namespace dime::testing
