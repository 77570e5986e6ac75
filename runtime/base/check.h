// runtime/base/check.h - DIME_CHECK, for our own bugs only: input, files and peers never reach one.
#pragma once

namespace dime::base {
// Prints "file:line: check failed: text" to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* text);
}  // namespace dime::base

#define DIME_CHECK(condition)                           \
  (__builtin_expect(static_cast<bool>(condition), true) \
       ? static_cast<void>(0)                           \
       : ::dime::base::CheckFailed(__FILE__, __LINE__, #condition))
