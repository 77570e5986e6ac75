// tests/sim/libc.h - the C library's own functions, for those who stand in their place (libc.cc).
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace dime::sim::real {

int Open(const char* path, int flags, mode_t mode);
ssize_t Write(int fd, const void* from, std::size_t size);
ssize_t ReadAt(int fd, void* to, std::size_t size, off_t offset);
int Truncate(int fd, off_t size);
int Rename(const char* from, const char* to);
int Close(int fd);

}  // namespace dime::sim::real
