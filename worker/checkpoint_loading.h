// worker/checkpoint_loading.h - a job's checkpoint into rows, for whoever reads one: the job that
// goes on from it, the evaluator that looks on.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "models/model.h"
#include "ps/checkpointer.h"
#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"

namespace dime::worker {

// Fills all rows from the bundle `name` of a job directory, and returns how many steps it holds.
// kFailedPrecondition with the differences when it is another model's; IsDamage() when it is not
// whole, or not there any more: then the rows hold anything.
absl::StatusOr<std::int64_t> LoadCheckpoint(storage::FileSystem& fs, const std::string& directory,
                                            const std::string& name, const models::Model& model,
                                            ps::Checkpointer& rows);

// The same without rows to fill: reads the bundle to its end, and those that it builds on, checks
// all checksums, and returns how many steps it holds. `model` may be null: then its variables may
// be any. Bundles among `sound` are not read again, and what is sound is put to them.
absl::StatusOr<std::int64_t> VerifyCheckpoint(storage::FileSystem& fs, const std::string& directory,
                                              const std::string& name, const models::Model* model,
                                              std::set<std::string>* sound);

// The name of the checkpoint that this one builds on, by its index; none: it stands by itself.
absl::StatusOr<std::optional<std::string>> ReadBaseName(storage::FileSystem& fs,
                                                        const std::string& directory,
                                                        const std::string& name);

// Whether a bundle is not what it should be, as opposed to out of reach for the moment.
[[nodiscard]] bool IsDamage(const absl::Status& status);

// The error for a directory that belongs to another model, which `seen_in` shows.
[[nodiscard]] absl::Status AnotherModel(const std::string& directory, std::string_view seen_in,
                                        const std::vector<std::string>& differences);

}  // namespace dime::worker
