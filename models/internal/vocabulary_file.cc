#include "models/internal/vocabulary_file.h"

#include <string_view>
#include <unordered_map>

#include "models/internal/text.h"
#include "ops/hashing.h"
#include "runtime/storage/file_system.h"

namespace dime::models::internal {

absl::StatusOr<std::vector<std::string>> LoadVocabulary(const std::string& path,
                                                        std::int64_t size) {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(path));
  DIME_ASSIGN_OR_RETURN(const std::string text, fs->ReadFile(path, kMaxVocabularyBytes));
  std::vector<std::string> vocabulary;
  std::unordered_map<std::string_view, std::size_t> lines;  // Of the entries; views into `text`.
  std::string_view rest = text;
  if (rest.starts_with(base::kByteOrderMark)) rest.remove_prefix(base::kByteOrderMark.size());
  for (std::size_t line = 1; !rest.empty(); ++line) {
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    const std::string_view entry = Trimmed(rest.substr(0, length));
    rest.remove_prefix(std::min(length + 1, rest.size()));
    if (entry.empty()) {
      return base::InvalidArgument(
          "line {} of '{}' is blank; an empty value counts as missing, never matches", line, path);
    }
    const auto [other, is_new] = lines.emplace(entry, line);
    if (!is_new) {
      return base::InvalidArgument("line {} of '{}', {}, is there already as line {}", line, path,
                                   Quoted(entry), other->second);
    }
    vocabulary.emplace_back(entry);
    if (static_cast<std::int64_t>(vocabulary.size()) == size) return vocabulary;
    if (static_cast<std::int64_t>(vocabulary.size()) > kMaxVocabularySize) {
      return base::InvalidArgument("'{}' has more than {} entries", path, kMaxVocabularySize);
    }
  }
  if (vocabulary.empty())
    return base::InvalidArgument("'{}' is empty; one entry a line is expected", path);
  if (size > 0) {
    return base::InvalidArgument("'{}' has {} entries; the first {} are asked for", path,
                                 vocabulary.size(), size);
  }
  return vocabulary;
}

std::string FormatVocabulary(std::span<const std::string> vocabulary) {
  std::string text;
  for (const std::string& entry : vocabulary) text += entry + '\n';
  return text;
}

std::uint64_t FingerprintOf(std::span<const std::string> vocabulary) {
  return ops::Fingerprint64(FormatVocabulary(vocabulary));
}

}  // namespace dime::models::internal
