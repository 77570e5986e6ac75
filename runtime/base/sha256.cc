#include "runtime/base/sha256.h"

#include <openssl/evp.h>

#include <array>

#include "runtime/base/check.h"

namespace dime::base {

std::string Sha256Hex(std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int digest_size = 0;
  const bool done =
      EVP_Digest(data.data(), data.size(), digest.data(), &digest_size, EVP_sha256(), nullptr) == 1;
  DIME_CHECK(done);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * digest_size);
  for (unsigned int i = 0; i < digest_size; ++i) {
    hex += kDigits[digest[i] >> 4];
    hex += kDigits[digest[i] & 15];
  }
  return hex;
}

}  // namespace dime::base
