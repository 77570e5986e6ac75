// tests/worker/small_dataset.h - made-up census rows as encoded examples.
#pragma once

#include <string>

#include "models/model.h"
#include "runtime/base/check.h"
#include "runtime/base/thread_pool.h"
#include "tests/support/census_rows.h"
#include "tests/support/temp_dir.h"
#include "worker/input/dataset.h"

namespace dime::testing {

inline models::Batch SmallDataset(const models::Model& model, int num_examples) {
  const TempDir directory;
  const std::string file = WriteCensusRows(directory.File("rows.csv"), num_examples);
  base::ThreadPool pool(1);
  auto dataset =
      worker::LoadDataset({file}, model.description(), model.encoder(), /*options=*/{}, pool);
  DIME_CHECK(dataset.ok());
  return *dataset->examples.in_memory();
}

}  // namespace dime::testing
