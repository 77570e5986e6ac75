// cli/model_library.h - the model descriptions that come with dime, and those in a user's own file.
#pragma once

#include <string>
#include <vector>

#include "models/description.h"
#include "runtime/base/status.h"

namespace dime::cli {

// The directory of the descriptions: models/ in ConfigDirectory().
[[nodiscard]] std::string ModelDirectory();

// The JSON Schema of descriptions, beside them; an absolute path.
[[nodiscard]] std::string SchemaPath();

struct LibraryModel {
  models::ModelDescription description;
  std::string file;
};

// Every variant of every description in `directory`, in the order of files and of variants in them.
absl::StatusOr<std::vector<LibraryModel>> ListModels(const std::string& directory);

// OK for a file, and for the name of a model in the library; kInvalidArgument, with the nearest
// name, for others.
absl::Status CheckModelName(const std::string& name_or_file);

// A model of the library by its name, or the first one of a file: what has a slash or ends in .yaml
// is a file. kInvalidArgument for a name that is not there, with the nearest one.
absl::StatusOr<models::ModelDescription> FindModel(const std::string& name_or_file);

}  // namespace dime::cli
