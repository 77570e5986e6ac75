// ps/internal/memory.h - large memory from the system, in huge pages where it has them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dime::ps::internal {

inline constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

[[nodiscard]] std::uint64_t PhysicalMemoryBytes();

// Zeroed memory, or null; it takes up pages as they are touched. Large regions start where a huge
// page can; a system without huge pages gives ordinary ones.
[[nodiscard]] void* MapMemory(std::size_t size_bytes);
void UnmapMemory(void* memory, std::size_t size_bytes);

}  // namespace dime::ps::internal
