#include "ps/internal/memory_cut.h"

#include <gtest/gtest.h>

#include <new>

namespace dime::ps::internal {
namespace {

// Sanitizers end a process that asks for more memory than there can be.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCanRunOutOfMemory = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
constexpr bool kCanRunOutOfMemory = false;
#else
constexpr bool kCanRunOutOfMemory = true;
#endif
#else
constexpr bool kCanRunOutOfMemory = true;
#endif

TEST(MemoryCutTest, ABlockThatThereIsNoMemoryToCopyStaysReadable) {
  if (!kCanRunOutOfMemory) GTEST_SKIP() << "a sanitizer watches over memory";
  constexpr std::size_t kTooMuch = std::size_t{1} << 62;
  const std::byte memory{};  // It is not looked at before there is room for the copy.
  MemoryCut cut(&memory, kTooMuch, kTooMuch);
  ASSERT_EQ(cut.num_blocks(), 1u);
  EXPECT_THROW(cut.PreserveBlock(0), std::bad_alloc);
  EXPECT_THROW(cut.PreserveBlock(0), std::bad_alloc);
  const void* read = nullptr;
  cut.Read(0, /*last=*/true, [&](const std::byte* block) { read = block; });
  EXPECT_EQ(read, &memory);
  EXPECT_EQ(cut.peak_bytes(), 0u);
  cut.PreserveBlock(0);  // The reader is through with it.
}

}  // namespace
}  // namespace dime::ps::internal
