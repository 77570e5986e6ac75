// No bytes of a stranger get past the handshake, and none make a frame's header be misread.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "runtime/base/check.h"
#include "runtime/net/frame.h"
#include "runtime/net/handshake.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  if (size >= dime::net::kFrameHeaderBytes) {
    const auto header = bytes.first<dime::net::kFrameHeaderBytes>();
    const auto decoded = dime::net::DecodeFrameHeader(header, 4096);
    if (decoded.ok()) {
      DIME_CHECK(decoded->payload_bytes <= 4096);
      const iovec rest = {const_cast<std::uint8_t*>(data) + header.size(), size - header.size()};
      (void)dime::net::CheckFrameSum(header, {&rest, 1});
    }
  }
  static const dime::base::Secret token = "a token that the fuzzer does not know";
  dime::net::HandshakeServer server(token, /*asks_for_tls=*/size % 2 == 0);
  for (std::size_t at = 0; at + 2 <= size;) {
    const std::size_t length = std::min<std::size_t>(data[at + 1], size - at - 2);
    const auto answer = server.OnFrame(data[at] % 6, bytes.subspan(at + 2, length));
    if (!answer.ok()) break;
    DIME_CHECK(answer->type == dime::net::kChallenge);
    at += 2 + length;
  }
  DIME_CHECK(!server.peer().has_value());
  return 0;
}
