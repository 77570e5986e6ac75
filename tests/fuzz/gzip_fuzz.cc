// Any bytes are read, as they are or decompressed, or refused for good; buffers of any size give
// the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/check.h"
#include "runtime/storage/input_stream.h"

namespace {

using dime::storage::InputStream;

constexpr std::size_t kMaxRead = 1 << 20;  // A bomb stops here.

class MemoryFile : public dime::storage::ReadableFile {
 public:
  explicit MemoryFile(std::string_view bytes) : bytes_(bytes) {}
  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, std::span<char> buffer) override {
    const std::string_view rest = bytes_.substr(std::min<std::size_t>(offset, bytes_.size()));
    const std::size_t size = std::min(rest.size(), buffer.size());
    std::memcpy(buffer.data(), rest.data(), size);
    return size;
  }
  [[nodiscard]] std::uint64_t size_bytes() const override { return bytes_.size(); }

 private:
  std::string_view bytes_;
};

struct Result {
  std::string contents;
  absl::Status status;
};

Result Read(std::string_view bytes, std::size_t buffer_bytes) {
  Result result;
  auto stream = dime::storage::MakeInputStream(std::make_unique<MemoryFile>(bytes), "fuzz");
  DIME_CHECK(stream.ok());
  std::string buffer(buffer_bytes, '\0');
  while (result.contents.size() < kMaxRead) {
    const auto got = (*stream)->Read(buffer);
    DIME_CHECK((*stream)->file_offset() <= bytes.size());
    if (!got.ok()) {
      result.status = got.status();
      DIME_CHECK((*stream)->Read(buffer).status() == result.status);
      return result;
    }
    DIME_CHECK(*got <= buffer.size());
    result.contents.append(buffer, 0, *got);
    if (*got < buffer.size()) return result;
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The first byte decides whether the rest is made to look like gzip.
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size > 0 && data[0] % 2 == 1) bytes = "\x1f\x8b\x08" + bytes.substr(1);
  const Result large = Read(bytes, 4096);
  const Result small = Read(bytes, 3);
  DIME_CHECK(large.status.code() == small.status.code());
  if (large.status.ok() && large.contents.size() < kMaxRead) {
    DIME_CHECK(large.contents == small.contents);
  }
  return 0;
}
