// runtime/net/internal/buffers.h - bytes on their way into and out of a connection of a server.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace dime::net::internal {

inline constexpr std::size_t kFirstBufferBytes = 4096;

// Bytes that came and are not handled yet. Frames start at its start, where memory is aligned.
class InputBuffer {
 public:
  [[nodiscard]] std::span<std::byte> filled() { return {bytes_.get(), size_}; }
  [[nodiscard]] iovec room() { return {bytes_.get() + size_, capacity_ - size_}; }
  void Filled(std::size_t count) { size_ += count; }

  // Room for at least one byte more; memory grows with what has come, not with what is announced.
  void Grow(std::size_t wanted) {
    if (size_ < capacity_) return;
    const std::size_t capacity =
        std::clamp(wanted, kFirstBufferBytes, std::max(2 * capacity_, 16 * kFirstBufferBytes));
    auto bytes = std::unique_ptr<std::byte[]>(new std::byte[capacity]);
    std::copy_n(bytes_.get(), size_, bytes.get());
    bytes_ = std::move(bytes);
    capacity_ = capacity;
  }
  void Drop(std::size_t count) {
    size_ -= count;
    if (size_ > 0) std::memmove(bytes_.get(), bytes_.get() + count, size_);
  }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

class OutputQueue {
 public:
  [[nodiscard]] std::size_t size() const { return bytes_.size() - sent_; }
  [[nodiscard]] iovec front() { return {bytes_.data() + sent_, size()}; }
  void Append(std::span<const iovec> parts) {
    if (sent_ > size()) {  // What is gone takes no memory for long, however slow the peer.
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(sent_));
      sent_ = 0;
    }
    for (const iovec& part : parts) {
      const auto* const first = static_cast<const std::byte*>(part.iov_base);
      bytes_.insert(bytes_.end(), first, first + part.iov_len);
    }
  }
  void Drop(std::size_t count) {
    sent_ += count;
    if (size() > 0) return;
    bytes_.clear();
    sent_ = 0;
  }

 private:
  std::vector<std::byte> bytes_;
  std::size_t sent_ = 0;
};

}  // namespace dime::net::internal
