#include "worker/job_pages.h"

#include <yaml-cpp/yaml.h>

#include <utility>

#include "runtime/base/checked_text.h"

namespace dime::worker {
namespace {

using storage::JoinPath;

// A small file's text; no value when it is not there.
absl::StatusOr<std::optional<std::string>> ReadIfThere(storage::FileSystem& fs,
                                                       const std::string& path) {
  absl::StatusOr<std::string> text = fs.ReadFile(path, models::kMaxDescriptionBytes);
  if (absl::IsNotFound(text.status())) return std::optional<std::string>();
  if (!text.ok()) return text.status();
  return std::optional<std::string>(*std::move(text));
}

absl::StatusOr<JobSettings> ParseSettings(const std::string& text, const std::string& path) {
  constexpr std::string_view kAdvice = "delete the file to choose them anew";
  if (const absl::Status intact = base::CheckChecksum(text); !intact.ok()) {
    return base::DataLoss("cannot read the job's seed and order from {}: {}; or {}", path,
                          base::MessageOf(intact), kAdvice);
  }
  JobSettings settings;
  try {
    const YAML::Node page = YAML::Load(text);
    settings.seed = page["seed"].as<std::uint64_t>();
    if (page["order"]) {
      const auto order = page["order"].as<std::string>();
      if (order != NameOf(Order::kAsRead) && order != NameOf(Order::kShuffled)) {
        return base::DataLoss("{}: there is no order '{}'", path, order);
      }
      if (order == NameOf(Order::kAsRead)) settings.order = Order::kAsRead;
    }
    if (page["train_batch_size"]) {
      settings.train_batch_size = page["train_batch_size"].as<std::int64_t>();
    }
    if (const YAML::Node data = page["train_data"]) {
      settings.train_data = {.num_records = data["records"].as<std::int64_t>(),
                             .size_bytes = data["bytes"].as<std::uint64_t>()};
    }
    if (page["input_memory"]) settings.input_memory = page["input_memory"].as<std::uint64_t>();
  } catch (const YAML::Exception& error) {
    return base::DataLoss("cannot read the job's seed and order from {}: {}; {}", path,
                          error.what(), kAdvice);
  }
  return settings;
}

}  // namespace

std::string_view NameOf(Order order) { return order == Order::kAsRead ? "as-read" : "shuffled"; }

absl::StatusOr<std::optional<models::ModelDescription>> ReadJobModel(storage::FileSystem& fs,
                                                                     const std::string& job_dir) {
  const std::string path = JoinPath(job_dir, kModelPage);
  DIME_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadIfThere(fs, path));
  if (!text.has_value()) return std::optional<models::ModelDescription>();
  const auto unreadable = [&](const absl::Status& reason) {
    return base::DataLoss("cannot read the model that job directory {} belongs to, {}: {}", job_dir,
                          path, base::MessageOf(reason));
  };
  if (const absl::Status intact = base::CheckChecksum(*text); !intact.ok()) {
    return unreadable(intact);
  }
  auto description = models::ParseDescription(*text, path, /*variant=*/"");
  if (!description.ok()) return unreadable(description.status());
  return std::optional(*std::move(description));
}

absl::StatusOr<std::optional<JobSettings>> ReadJobSettings(storage::FileSystem& fs,
                                                           const std::string& job_dir) {
  const std::string path = JoinPath(job_dir, kSettingsPage);
  DIME_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadIfThere(fs, path));
  if (!text.has_value()) return std::optional<JobSettings>();
  DIME_ASSIGN_OR_RETURN(const JobSettings settings, ParseSettings(*text, path));
  return std::optional(settings);
}

std::string FormatJobSettings(const JobSettings& settings) {
  YAML::Emitter yaml;
  yaml << YAML::Comment("What this job's bytes depend on besides its model.") << YAML::BeginMap
       << YAML::Key << "seed" << YAML::Value << settings.seed << YAML::Key << "order" << YAML::Value
       << std::string(NameOf(settings.order)) << YAML::Key << "train_batch_size" << YAML::Value
       << settings.train_batch_size << YAML::Key << "input_memory" << YAML::Value
       << settings.input_memory;
  if (const DataFacts& data = settings.train_data; data.num_records > 0) {
    yaml << YAML::Key << "train_data" << YAML::Value << YAML::Flow << YAML::BeginMap << YAML::Key
         << "records" << YAML::Value << data.num_records << YAML::Key << "bytes" << YAML::Value
         << data.size_bytes << YAML::EndMap;
  }
  yaml << YAML::EndMap;
  return base::WithChecksum(std::string(yaml.c_str()) + "\n");
}

absl::Status WriteIfChanged(storage::FileSystem& fs, const std::string& path,
                            const std::string& contents) {
  DIME_ASSIGN_OR_RETURN(const std::optional<std::string> present, ReadIfThere(fs, path));
  return present == contents ? absl::OkStatus() : fs.WriteAtomically(path, contents);
}

}  // namespace dime::worker
