#include "cli/model_library.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>

#include "cli/config_directory.h"
#include "runtime/base/log.h"
#include "runtime/base/suggest.h"
#include "runtime/storage/file_system.h"

namespace dime::cli {
namespace {

bool IsFileName(std::string_view name) {
  return name.find('/') != name.npos || name.ends_with(".yaml") || name.ends_with(".yml");
}

absl::StatusOr<std::string> ReadDescription(const std::string& path) {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(path));
  absl::StatusOr<std::string> yaml = fs->ReadFile(path, models::kMaxDescriptionBytes);
  if (absl::IsOutOfRange(yaml.status())) {  // So long a page is a wrong one.
    return base::InvalidArgument("read a model description: {}", base::MessageOf(yaml.status()));
  }
  if (!yaml.ok()) return base::Annotate(yaml.status(), "read a model description");
  return yaml;
}

// Every variant of a page.
absl::Status AddModels(const std::string& path, std::vector<LibraryModel>* models) {
  DIME_ASSIGN_OR_RETURN(const std::string yaml, ReadDescription(path));
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string> names, models::VariantNames(yaml, path));
  for (const std::string& name : names) {
    DIME_ASSIGN_OR_RETURN(models::ModelDescription description,
                          models::ParseDescription(yaml, path, name));
    models->push_back({std::move(description), path});
  }
  return absl::OkStatus();
}

}  // namespace

std::string ModelDirectory() { return storage::JoinPath(ConfigDirectory(), "models"); }

std::string SchemaPath() {
  const std::string path = storage::JoinPath(ModelDirectory(), "schema.json");
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.string();
}

absl::StatusOr<std::vector<LibraryModel>> ListModels(const std::string& directory) {
  storage::FileSystem& fs = storage::LocalFileSystem();
  const absl::StatusOr<std::vector<std::string>> names = fs.List(directory);
  if (!names.ok()) {
    return base::Annotate(names.status(), "look for dime's model descriptions ($DIME_CONFIGS)");
  }
  std::vector<LibraryModel> found;
  for (const std::string& name : *names) {
    if (!name.ends_with(".yaml")) continue;
    const std::string path = storage::JoinPath(directory, name);
    // One page that is wrong does not hide the others.
    if (const absl::Status added = AddModels(path, &found); !added.ok()) {
      base::Log(base::Severity::kWarning, "left out of the models: {}", base::MessageOf(added));
    }
  }
  return found;
}

absl::Status CheckModelName(const std::string& name_or_file) {
  if (IsFileName(name_or_file)) return absl::OkStatus();
  const std::string directory = ModelDirectory();
  const absl::StatusOr<std::vector<LibraryModel>> library = ListModels(directory);
  if (!library.ok()) return absl::OkStatus();  // FindModel() says why: that is no wrong name.
  std::vector<std::string> names;
  for (const LibraryModel& model : *library) names.push_back(model.description.name);
  if (std::ranges::find(names, name_or_file) != names.end()) return absl::OkStatus();
  return base::InvalidArgument("no model '{}' in {}, which has {}{}", name_or_file, directory,
                               fmt::join(names, ", "), base::DidYouMean(name_or_file, names));
}

absl::StatusOr<models::ModelDescription> FindModel(const std::string& name_or_file) {
  if (IsFileName(name_or_file)) {
    DIME_ASSIGN_OR_RETURN(const std::string yaml, ReadDescription(name_or_file));
    return models::ParseDescription(yaml, name_or_file, /*variant=*/"");
  }
  DIME_ASSIGN_OR_RETURN(std::vector<LibraryModel> library, ListModels(ModelDirectory()));
  for (LibraryModel& model : library) {
    if (model.description.name == name_or_file) return std::move(model.description);
  }
  return CheckModelName(name_or_file);
}

}  // namespace dime::cli
