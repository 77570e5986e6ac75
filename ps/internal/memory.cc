#include "ps/internal/memory.h"

#include <sys/mman.h>
#include <unistd.h>

namespace dime::ps::internal {

std::uint64_t PhysicalMemoryBytes() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return ~std::uint64_t{0};
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
}

void* MapMemory(std::size_t size_bytes) {
  const std::size_t slack_bytes = size_bytes >= kHugePageBytes ? kHugePageBytes : 0;
  void* const mapped = mmap(nullptr, size_bytes + slack_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  if (slack_bytes == 0) return mapped;

  const std::size_t misaligned_bytes = reinterpret_cast<std::uintptr_t>(mapped) % kHugePageBytes;
  const std::size_t head_bytes = (kHugePageBytes - misaligned_bytes) % kHugePageBytes;
  char* const aligned = static_cast<char*>(mapped) + head_bytes;
  if (head_bytes > 0) munmap(mapped, head_bytes);
  if (head_bytes < slack_bytes) munmap(aligned + size_bytes, slack_bytes - head_bytes);
  madvise(aligned, size_bytes, MADV_HUGEPAGE);
  return aligned;
}

void UnmapMemory(void* memory, std::size_t size_bytes) { munmap(memory, size_bytes); }

}  // namespace dime::ps::internal
