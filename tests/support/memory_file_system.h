// tests/support/memory_file_system.h - a file system in memory: fast, and gone with the object.
//
// Keeps the promises of FileSystem that do not come from disks and permissions; the test
// runtime.file_system_promises holds it and the local one to the same.
#pragma once

#include <memory>

#include "runtime/storage/file_system.h"

namespace dime::testing {

// "/" and "." are there from the start. Must outlive the files and locks that it gave out.
std::unique_ptr<storage::FileSystem> NewMemoryFileSystem();

}  // namespace dime::testing
