// tests/runtime/checkpoint_files.h - where tests of checkpoints write them.
#pragma once

#include "runtime/storage/file_system.h"

namespace dime::checkpoint {

inline storage::FileSystem& Files() { return storage::LocalFileSystem(); }

}  // namespace dime::checkpoint
