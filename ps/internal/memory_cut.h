// ps/internal/memory_cut.h - a piece of memory as it was at one moment, while its owner goes on
// changing it.
//
// Software copy-on-write by blocks. The owner copies a block aside before it first changes it,
// unless the reader is through with it; the reader takes the copy where there is one. So a cut is
// made in no time to speak of, and costs the owner a copy of each block that it touches meanwhile.
// Threads: one owner, who makes and destroys it, and one reader. A block is held by one of them
// only while it is copied.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace dime::ps::internal {

class MemoryCut {
 public:
  // The memory outlives this object; its last block may be shorter.
  MemoryCut(const void* memory, std::size_t num_bytes, std::size_t block_bytes);
  ~MemoryCut();  // Nobody reads any more.
  MemoryCut(const MemoryCut&) = delete;
  MemoryCut& operator=(const MemoryCut&) = delete;

  // The owner, before it changes anything of it. Memory behind the end is no part of the cut.
  void PreserveBlock(std::size_t block);
  void Preserve(const void* first, std::size_t num_bytes);
  // Either side, some blocks before it asks for this one.
  void Prefetch(std::size_t block) const {
    if (block >= num_blocks_) return;
    __builtin_prefetch(&states_[block]);
    __builtin_prefetch(memory_ + block * block_bytes_);
  }

  // The reader: use(bytes) with a block as it was. `last`: it is not asked for again.
  template <typename Function>
  void Read(std::size_t block, bool last, const Function& use) {
    const bool is_live = Hold(block);
    use(is_live ? memory_ + block * block_bytes_ : copies_[block]);
    EndRead(block, is_live, last);
  }

  [[nodiscard]] std::size_t num_blocks() const { return num_blocks_; }
  [[nodiscard]] std::size_t block_bytes() const { return block_bytes_; }
  // What copies took at most. The owner's to ask, or anybody's when all is over.
  [[nodiscard]] std::size_t peak_bytes() const { return peak_bytes_; }

 private:
  enum State : std::uint8_t {
    kLive,   // Not changed since the cut.
    kHeld,   // Being copied, by either side.
    kAside,  // Copied; the owner has changed it, or is about to.
    kDone,   // The reader needs it no more.
  };
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  // Zeroed, in pages that come as they are touched.
  template <typename T>
  using Zeroed = std::unique_ptr<T[], Free>;

  // Takes a live block; false if it is not live (any more).
  bool Hold(std::size_t block);
  void Release(std::size_t block, State state) {
    std::atomic_ref(states_[block]).store(state, std::memory_order_release);
  }
  void EndRead(std::size_t block, bool is_live, bool last);
  [[nodiscard]] std::size_t SizeOf(std::size_t block) const;

  const std::byte* const memory_;
  const std::size_t num_bytes_;
  const std::size_t block_bytes_;
  const std::size_t num_blocks_;
  const Zeroed<std::uint8_t> states_;
  const Zeroed<std::byte*> copies_;
  std::vector<std::size_t> copied_;  // The owner's: blocks that have been copied.
  std::atomic<std::size_t> held_bytes_ = 0;
  std::size_t peak_bytes_ = 0;
};

}  // namespace dime::ps::internal
