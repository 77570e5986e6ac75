// tests/worker/saved_job.h - a job directory with checkpoints whose weights tell their steps.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/worker/small_census.h"
#include "worker/in_process_store.h"
#include "worker/job_directory.h"

namespace dime::worker {

class SavedJobTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<JobDirectory>> Open(const models::Model& model,
                                                     std::optional<std::uint64_t> seed = {},
                                                     int max_to_keep = 5) {
    return JobDirectory::Open(Path(), model, seed, {.max_to_keep = max_to_keep, .order = {}});
  }
  absl::StatusOr<std::unique_ptr<JobDirectory>> Open() { return Open(model_); }

  std::unique_ptr<InProcessStore> NewStore() {
    return *InProcessStore::Create(model_.tables(), /*seed=*/1);
  }

  // A store after `step` steps, whose every weight and slot is `value`.
  std::unique_ptr<InProcessStore> StoreOf(float value, std::int64_t step) {
    std::unique_ptr<InProcessStore> store = NewStore();
    store->set_version(step);
    for (ps::Table* const table : store->mutable_tables()) {
      const std::vector<float> values(table->spec().num_rows * table->spec().dim, value);
      for (int part = 0; part <= ops::NumSlots(table->spec().optimizer.kind); ++part) {
        table->CopyIn(part, 0, table->spec().num_rows, values.data());
      }
    }
    return store;
  }

  static float FirstWeight(const InProcessStore& store) {
    return store.tables().front()->weights(0)[0];
  }

  // Saves checkpoints of the given steps, whose weights are the step.
  void SaveSteps(const std::vector<int>& steps, std::optional<std::uint64_t> seed = {},
                 int max_to_keep = 5) {
    ASSERT_OK_AND_ASSIGN(const auto directory, Open(model_, seed, max_to_keep));
    for (const int step : steps) {
      ASSERT_OK(directory->Save(StoreOf(static_cast<float>(step), step)->checkpointer()));
    }
  }

  std::string Path() const { return parent_.File("job"); }
  std::string File(const std::string& name) const { return Path() + "/" + name; }

  static std::string Read(const std::string& path) {
    std::stringstream contents;
    contents << std::ifstream(path, std::ios::binary).rdbuf();
    return contents.str();
  }
  static void Write(const std::string& path, const std::string& contents) {
    std::ofstream(path, std::ios::binary) << contents;
  }

  const testing::TempDir parent_;
  models::Model model_{testing::SmallCensus()};
};

}  // namespace dime::worker
