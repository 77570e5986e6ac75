// models/internal/text_memo.h - remembers what the texts of one field were turned into.
//
// Most fields of records hold few different texts, again and again. One look into a small table,
// which lasts as long as half a hash of the text, finds what was made of it before. Texts of many
// values fall out of the table and are made anew, at the cost of that look.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace dime::models::internal {

class TextMemo {
 public:
  static constexpr std::size_t kMaxTextBytes = 24;  // Longer ones are made anew each time.

  explicit TextMemo(std::size_t num_ids) : num_ids_(num_ids), ids_((kNumSlots + 1) * num_ids) {}

  // The slot of `text`. Where it is not remembered, make(text, &fingerprint, ids) gives its
  // fingerprint and its num_ids ids. kMaxTextBytes from the start of the text on may be read. The
  // slot is valid until the next call.
  template <typename Make>
  [[nodiscard]] std::size_t Find(std::string_view text, const Make& make) {
    if (text.size() > kMaxTextBytes) return MakeAnew(text, make);
    const Key key = LoadKey(text);
    const std::size_t slot = SlotOf(key);
    const Key& known = entries_[slot].key;
    const std::uint64_t difference = (key.words[0] ^ known.words[0]) |
                                     (key.words[1] ^ known.words[1]) |
                                     (key.words[2] ^ known.words[2]) | (key.size ^ known.size);
    if (difference != 0) [[unlikely]] {
      ++num_misses_;
      for (std::size_t i = 0; i < 3; ++i) entries_[slot].key.words[i] = key.words[i];
      entries_[slot].key.size = key.size;
      Fill(slot, text, make);
    }
    return slot;
  }

  // The same without a look.
  template <typename Make>
  [[nodiscard]] std::size_t MakeAnew(std::string_view text, const Make& make) {
    return Fill(kNumSlots, text, make);
  }

  // Whether the next block of texts should be looked up. Where most of the last such block's were
  // not remembered, it is not worth while for some time.
  [[nodiscard]] bool StartBlock(std::size_t num_texts) {
    if (num_misses_ > last_texts_ / 2) pause_ = kPausedBlocks;
    num_misses_ = 0;
    last_texts_ = num_texts;
    return pause_ == 0 || --pause_ == 0;
  }

  [[nodiscard]] std::uint64_t fingerprint(std::size_t slot) const {
    return entries_[slot].fingerprint;
  }
  [[nodiscard]] const std::int64_t* ids(std::size_t slot) const { return &ids_[slot * num_ids_]; }

 private:
  static constexpr std::size_t kNumSlots = 512;
  static constexpr int kPausedBlocks = 32;

  struct Key {
    std::array<std::uint64_t, 3> words = {};  // The text and zeros.
    std::uint64_t size = ~std::uint64_t{0};   // No text's.
  };
  struct Entry {
    Key key;
    std::uint64_t fingerprint = 0;
  };
  // By size and word: which bits of the word are the text's.
  using Masks = std::array<std::array<std::uint64_t, 3>, kMaxTextBytes + 1>;

  static constexpr Masks MakeMasks() {
    Masks masks = {};
    for (std::size_t byte = 0; byte < kMaxTextBytes; ++byte) {
      for (std::size_t size = byte + 1; size <= kMaxTextBytes; ++size) {
        masks[size][byte / 8] |= std::uint64_t{0xff} << (8 * (byte % 8));
      }
    }
    return masks;
  }

  static Key LoadKey(std::string_view text) {
    static constexpr Masks kMasks = MakeMasks();
    const auto& masks = kMasks[text.size()];
    const auto word = [text](std::size_t i) {
      std::uint64_t bytes = 0;
      std::memcpy(&bytes, text.data() + i * sizeof(bytes), sizeof(bytes));
      return bytes;
    };
    return {.words = {word(0) & masks[0], word(1) & masks[1], word(2) & masks[2]},
            .size = text.size()};
  }

  static std::size_t SlotOf(const Key& key) {
    const std::uint64_t mixed =
        key.words[0] + key.words[1] * 0x9e3779b97f4a7c15 + key.words[2] * 0xc2b2ae3d27d4eb4f;
    return ((mixed ^ mixed >> 32) * 0xff51afd7ed558ccd) >> 55;  // 9 bits: kNumSlots.
  }

  template <typename Make>
  std::size_t Fill(std::size_t slot, std::string_view text, const Make& make) {
    make(text, &entries_[slot].fingerprint, &ids_[slot * num_ids_]);
    return slot;
  }

  std::size_t num_ids_;
  std::vector<Entry> entries_ = std::vector<Entry>(kNumSlots + 1);  // The last: of a long text.
  std::vector<std::int64_t> ids_;                                   // num_ids_ an entry.
  std::size_t num_misses_ = 0;                                      // In the current block.
  std::size_t last_texts_ = 0;                                      // Of the current block.
  int pause_ = 0;  // So many blocks are not looked up.
};

}  // namespace dime::models::internal
