#include "runtime/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace dime::base {

void CheckFailed(const char* file, int line, const char* text) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
  std::fflush(stderr);
  std::abort();
}

}  // namespace dime::base
