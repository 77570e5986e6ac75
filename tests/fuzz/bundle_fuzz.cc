// Any index beside a small data file is opened, verified and read, or refused.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/check.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/storage/file_system.h"

namespace {

using dime::storage::LocalFileSystem;

// A sound bundle of two tensors, made once; each input replaces or damages its index.
struct Bundle {
  Bundle() {
    std::string pattern = "/tmp/dime-fuzz-XXXXXX";
    directory = mkdtemp(pattern.data());
    prefix = directory + "/model.ckpt-1";
    auto writer = dime::checkpoint::BundleWriter::Create(LocalFileSystem(), prefix);
    DIME_CHECK(writer.ok());
    const std::vector<std::int64_t> shape = {2, 3};
    const std::vector<float> values = {1, 2, 3, 4, 5, 6};
    DIME_CHECK((*writer)->AddFloats("weights", shape, values).ok());
    DIME_CHECK((*writer)->AddInt64("global_step", 7).ok());
    DIME_CHECK((*writer)->Finish().ok());
    index = *LocalFileSystem().ReadFile(prefix + ".index");
  }
  ~Bundle() { (void)LocalFileSystem().DeleteTree(directory); }

  std::string directory;
  std::string prefix;
  std::string index;
};

// Puts the input over the sound index at the place that its first byte names.
std::string Damage(std::string index, const std::uint8_t* data, std::size_t size) {
  if (size == 0) return index;
  if (data[0] == 0) return {reinterpret_cast<const char*>(data + 1), size - 1};
  for (std::size_t i = 1; i < size; ++i)
    index[(data[0] + i - 1) % index.size()] ^= static_cast<char>(data[i]);
  return index;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Bundle bundle;
  const std::string index = Damage(bundle.index, data, size);
  if (FILE* file = fopen((bundle.prefix + ".index").c_str(), "wb"); file != nullptr) {
    fwrite(index.data(), 1, index.size(), file);
    fclose(file);
  }
  auto reader = dime::checkpoint::BundleReader::Open(LocalFileSystem(), bundle.prefix);
  if (!reader.ok()) return 0;
  const bool sound = (*reader)->Verify().ok();
  DIME_CHECK(sound == (index == bundle.index) || !sound || data[0] == 0);
  return 0;
}
