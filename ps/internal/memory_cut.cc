#include "ps/internal/memory_cut.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>

#include "runtime/base/check.h"
#include "runtime/base/spin.h"

namespace dime::ps::internal {
namespace {

constexpr std::chrono::microseconds kHoldTime{100};

template <typename T>
T* AllocateZeroed(std::size_t count) {
  void* const memory = std::calloc(std::max<std::size_t>(count, 1), sizeof(T));
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<T*>(memory);
}

}  // namespace

MemoryCut::MemoryCut(const void* memory, std::size_t num_bytes, std::size_t block_bytes)
    : memory_(static_cast<const std::byte*>(memory)),
      num_bytes_(num_bytes),
      block_bytes_(block_bytes),
      num_blocks_((num_bytes + block_bytes - 1) / block_bytes),
      states_(AllocateZeroed<std::uint8_t>(num_blocks_)),
      copies_(AllocateZeroed<std::byte*>(num_blocks_)) {}

MemoryCut::~MemoryCut() {
  for (const std::size_t block : copied_) delete[] copies_[block];
}

std::size_t MemoryCut::SizeOf(std::size_t block) const {
  return std::min(block_bytes_, num_bytes_ - block * block_bytes_);
}

void MemoryCut::PreserveBlock(std::size_t block) {
  if (block >= num_blocks_ || !Hold(block)) return;
  const std::size_t size = SizeOf(block);
  std::unique_ptr<std::byte[]> copy;
  try {
    copy.reset(new std::byte[size]);
    copied_.push_back(block);
  } catch (...) {
    Release(block, kLive);  // Nothing has changed it: the reader need not wait for ever.
    throw;
  }
  std::memcpy(copy.get(), memory_ + block * block_bytes_, size);
  copies_[block] = copy.release();
  const std::size_t held = held_bytes_.fetch_add(size, std::memory_order_relaxed) + size;
  peak_bytes_ = std::max(peak_bytes_, held);
  Release(block, kAside);
}

void MemoryCut::Preserve(const void* first, std::size_t num_bytes) {
  if (num_bytes == 0) return;
  const auto at = static_cast<std::size_t>(static_cast<const std::byte*>(first) - memory_);
  const std::size_t last_block = (at + num_bytes - 1) / block_bytes_;
  for (std::size_t block = at / block_bytes_; block <= last_block; ++block) PreserveBlock(block);
}

bool MemoryCut::Hold(std::size_t block) {
  DIME_CHECK(block < num_blocks_);
  const std::atomic_ref state(states_[block]);
  while (true) {
    std::uint8_t now = state.load(std::memory_order_acquire);
    if (now == kAside || now == kDone) return false;
    if (now == kLive && state.compare_exchange_strong(now, kHeld, std::memory_order_acquire)) {
      return true;
    }
    // The other side is copying some KiB, unless it lost its processor meanwhile.
    base::SpinUntil([&] { return state.load(std::memory_order_relaxed) != kHeld; }, kHoldTime);
  }
}

void MemoryCut::EndRead(std::size_t block, bool is_live, bool last) {
  if (is_live) {
    Release(block, last ? kDone : kLive);
  } else if (last) {
    delete[] copies_[block];
    copies_[block] = nullptr;
    held_bytes_.fetch_sub(SizeOf(block), std::memory_order_relaxed);
    Release(block, kDone);
  }
}

}  // namespace dime::ps::internal
