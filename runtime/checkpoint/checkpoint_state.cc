#include "runtime/checkpoint/checkpoint_state.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "runtime/checkpoint/proto/checkpoint_state.pb.h"

namespace dime::checkpoint {
namespace {

constexpr char kFileName[] = "checkpoint";
constexpr std::uint64_t kMaxFileBytes = 1 << 20;

// Keeps the first error instead of printing it.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int /*column*/, const std::string& message) override {
    if (text_.empty()) text_ = fmt::format("line {}: {}", line + 1, message);
  }
  void AddWarning(int /*line*/, int /*column*/, const std::string& /*message*/) override {}

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

absl::StatusOr<proto::CheckpointState> ParseMessage(const std::string& text) {
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.AllowUnknownField(true);  // Later versions of TensorFlow may add some.
  proto::CheckpointState message;
  if (!parser.ParseFromString(text, &message)) return base::DataLoss("{}", error.text());
  if (message.model_checkpoint_path().empty()) {
    return base::DataLoss("it names no model_checkpoint_path");
  }
  return message;
}

// A path as written, as a prefix within the directory: checkpoints stand beside the file that names
// them, so the directory of an absolute path is where they stood before they were moved here. None
// when there is no name in it, or one that leads elsewhere.
std::optional<std::string> ToPrefix(const std::string& path) {
  std::string prefix = path.starts_with('/') ? std::string(storage::BaseName(path)) : path;
  const std::string_view name = storage::BaseName(prefix);
  if (name.empty() || name == "." || name == ".." || prefix.find('\0') != std::string::npos ||
      prefix.starts_with("../") || prefix.find("/../") != std::string::npos) {
    return std::nullopt;
  }
  return prefix;
}

absl::StatusOr<CheckpointState> ParseState(const std::string& text) {
  DIME_ASSIGN_OR_RETURN(const proto::CheckpointState message, ParseMessage(text));
  CheckpointState state;
  std::vector<std::string> paths(message.all_model_checkpoint_paths().begin(),
                                 message.all_model_checkpoint_paths().end());
  std::erase(paths, message.model_checkpoint_path());
  paths.push_back(message.model_checkpoint_path());
  for (const std::string& path : paths) {
    std::optional<std::string> prefix = ToPrefix(path);
    if (!prefix.has_value()) return base::DataLoss("'{}' is no checkpoint's path", path);
    state.all_prefixes.push_back(*std::move(prefix));
  }
  return state;
}

}  // namespace

absl::StatusOr<CheckpointState> ReadCheckpointState(storage::FileSystem& fs,
                                                    const std::string& directory) {
  const std::string path = storage::JoinPath(directory, kFileName);
  absl::StatusOr<std::string> text = fs.ReadFile(path, kMaxFileBytes);
  if (absl::IsNotFound(text.status())) return CheckpointState{};
  DIME_RETURN_IF_ERROR(text.status());
  absl::StatusOr<CheckpointState> state = ParseState(*text);
  if (!state.ok()) {
    return base::Annotate(state.status(), fmt::format("checkpoint state file '{}'", path));
  }
  return state;
}

absl::Status WriteCheckpointState(storage::FileSystem& fs, const std::string& directory,
                                  const CheckpointState& state) {
  const std::string path = storage::JoinPath(directory, kFileName);
  proto::CheckpointState message;
  for (const std::string& prefix : state.all_prefixes) {
    if (!ToPrefix(prefix).has_value()) {
      return base::InvalidArgument("write '{}': '{}' is no checkpoint's path", path, prefix);
    }
    message.add_all_model_checkpoint_paths(prefix);
  }
  if (state.all_prefixes.empty()) {
    return base::InvalidArgument("write '{}': there is no checkpoint to name", path);
  }
  message.set_model_checkpoint_path(state.latest());
  std::string text;
  google::protobuf::TextFormat::PrintToString(message, &text);
  return fs.WriteAtomically(path, text);
}

absl::Status DeleteCheckpointState(storage::FileSystem& fs, const std::string& directory) {
  return fs.DeleteFile(storage::JoinPath(directory, kFileName));
}

}  // namespace dime::checkpoint
