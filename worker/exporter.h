// worker/exporter.h - publishes the current weights as a SavedModel.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "models/batch.h"
#include "models/export/saved_model.h"
#include "models/model.h"
#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"
#include "worker/parameter_store.h"

namespace dime::worker {

inline constexpr std::int64_t kExportSampleSize = 100;

// Where a job directory has its exports.
inline constexpr char kExportsDirectory[] = "export";
// Servers load the directories whose names are numbers; TensorFlow prepares its exports under this
// name too.
inline constexpr std::string_view kUnfinishedExportPrefix = "temp-";

// JOB_DIR/export/NAME.
[[nodiscard]] std::string ExportDirectory(const std::string& job_dir, const std::string& name);

// Writes <base>/<seconds since 1970>/ and returns its path. Before the directory gets its name, the
// written files are loaded again and `sample` (encoded examples, kExportSampleSize are enough) is
// scored with them and with the store: kInternal when the two differ. A number that is taken is
// counted up.
absl::StatusOr<std::string> Export(storage::FileSystem& fs, const std::string& base,
                                   const models::Model& model, ParameterStore& store,
                                   std::int64_t global_step, models::ExportFormat format,
                                   const models::Batch& sample);

}  // namespace dime::worker
