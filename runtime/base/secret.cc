#include "runtime/base/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "runtime/base/check.h"

namespace dime::base {

class Secret::Pages {
 public:
  explicit Pages(std::string_view bytes) : size_(bytes.size()) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    capacity_ = std::max<std::size_t>(1, (size_ + page - 1) / page) * page;
    void* const memory =
        mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    DIME_CHECK(memory != MAP_FAILED);
    data_ = static_cast<char*>(memory);
    // Not PR_SET_DUMPABLE: crashes of jobs are to be looked into, and /proc/PID is its user's.
    DIME_CHECK(madvise(data_, capacity_, MADV_DONTDUMP) == 0);
    (void)mlock(data_, capacity_);
    std::ranges::copy(bytes, data_);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() {
    Wipe(std::as_writable_bytes(std::span(data_, size_)));
    munmap(data_, capacity_);
  }
  [[nodiscard]] std::string_view bytes() const { return {data_, size_}; }

 private:
  std::size_t size_;
  std::size_t capacity_ = 0;
  char* data_ = nullptr;
};

Secret::Secret(std::string_view bytes) : pages_(std::make_shared<const Pages>(bytes)) {}
std::string_view Secret::bytes() const {
  return pages_ == nullptr ? std::string_view() : pages_->bytes();
}

void Wipe(std::span<std::byte> bytes) { OPENSSL_cleanse(bytes.data(), bytes.size()); }

Mac HmacSha256(std::string_view key, std::string_view data) {
  Mac mac;
  unsigned int size = 0;
  const unsigned char* const done =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(data.data()), data.size(),
           reinterpret_cast<unsigned char*>(mac.data()), &size);
  DIME_CHECK(done != nullptr && size == mac.size());
  return mac;
}

Mac HkdfSha256(std::string_view secret, std::string_view salt, std::string_view info) {
  Mac extracted = HmacSha256(salt, secret);
  const Mac key = HmacSha256({reinterpret_cast<const char*>(extracted.data()), extracted.size()},
                             std::string(info) + '\x01');
  Wipe(extracted);
  return key;
}

bool SameMac(const Mac& a, const Mac& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void FillRandom(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = getrandom(bytes.data(), bytes.size(), 0);
    DIME_CHECK(count > 0 || errno == EINTR);
    if (count > 0) bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace dime::base
