#include "runtime/net/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/base/check.h"

namespace dime::net {
namespace {

constexpr char kIdentity[] = "dime";  // There is one key a connection.
constexpr std::array<unsigned char, 2> kCipher = {0x13, 0x01};
constexpr char kCipherName[] = "TLS_AES_128_GCM_SHA256";
constexpr std::size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
constexpr std::size_t kReadBufferBytes = 128 << 10;

// The connection as OpenSSL sees it; its own kind of socket would raise SIGPIPE.
struct Wire {
  int fd = -1;
  int error = 0;  // errno of the last call that failed for good.
  bool is_closed = false;
};

bool IsTransient(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

int WriteToWire(BIO* bio, const char* data, int size) {
  auto& wire = *static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t count =
      send(wire.fd, data, static_cast<std::size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count >= 0) return static_cast<int>(count);
  if (IsTransient(errno)) {
    BIO_set_retry_write(bio);
  } else {
    wire.error = errno;
  }
  return -1;
}

int ReadFromWire(BIO* bio, char* data, int size) {
  auto& wire = *static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t count = recv(wire.fd, data, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (count > 0) return static_cast<int>(count);
  if (count == 0) {
    wire.is_closed = true;
  } else if (IsTransient(errno)) {
    BIO_set_retry_read(bio);
  } else {
    wire.error = errno;
  }
  return count == 0 ? 0 : -1;
}

long ControlWire(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

// Lives as long as the process.
const BIO_METHOD* WireMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "dime wire");
    DIME_CHECK(made != nullptr);
    BIO_meth_set_write(made, WriteToWire);
    BIO_meth_set_read(made, ReadFromWire);
    BIO_meth_set_ctrl(made, ControlWire);
    return made;
  }();
  return method;
}

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

std::string LastError() {
  char text[256] = "unknown error";
  if (const unsigned long code = ERR_peek_last_error(); code != 0) {
    const char* const reason = ERR_reason_error_string(code);
    if (reason != nullptr) return reason;
    ERR_error_string_n(code, text, sizeof(text));
  }
  return text;
}

}  // namespace

class TlsStream::Impl {
 public:
  Impl(End end, const base::Mac& key, std::uint64_t records_per_key)
      : records_per_key_(records_per_key), key_(key), ssl_(SSL_new(Context())) {
    DIME_CHECK(ssl_ != nullptr);
    BIO* const bio = BIO_new(WireMethod());
    DIME_CHECK(bio != nullptr);
    BIO_set_data(bio, &wire_);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_app_data(ssl_.get(), this);
    if (end == End::kClient) {
      SSL_set_connect_state(ssl_.get());
      // There is nobody to vouch for a certificate: a server that shows one is refused.
      SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
    } else {
      SSL_set_accept_state(ssl_.get());
    }
  }
  ~Impl() { base::Wipe(key_); }

  absl::StatusOr<bool> Shake(int fd) {
    const std::lock_guard lock(mutex_);
    Begin(fd);
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
      is_blocked_by_output_ = false;
      base::Wipe(key_);
      // Without the key there is nothing that could have been agreed on.
      if (SSL_session_reused(ssl_.get()) == 1) return true;
      return base::PermissionDenied("TLS without the job's key");
    }
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        is_blocked_by_output_ = false;
        return false;
      case SSL_ERROR_WANT_WRITE:
        is_blocked_by_output_ = true;
        return false;
      default:
        break;
    }
    if (const absl::Status broken = WireStatus(); !broken.ok()) return broken;
    return base::PermissionDenied(
        "the other end's TLS handshake is wrong, as when it does not know the job's token, or "
        "somebody between changes bytes: {}",
        LastError());
  }

  [[nodiscard]] bool is_blocked_by_output() const {
    const std::lock_guard lock(mutex_);
    return is_blocked_by_output_;
  }

  absl::StatusOr<std::size_t> Send(int fd, std::span<const iovec> parts) {
    const std::lock_guard lock(mutex_);
    Begin(fd);
    std::size_t sent = 0;
    std::size_t offset = 0;  // In parts.front().
    while (true) {
      // A record that did not go as a whole has its bytes encrypted already: the same come again.
      if (record_.empty()) FillRecord(parts, offset);
      if (record_.empty()) return sent;
      std::size_t written = 0;
      const int result = SSL_write_ex(ssl_.get(), record_.data(), record_.size(), &written);
      if (result != 1) {
        if (HasToWait(SSL_get_error(ssl_.get(), result))) return sent;
        return Failure();
      }
      DIME_CHECK(written == record_.size());
      record_.clear();
      sent += written;
      Skip(written, parts, offset);
      DIME_RETURN_IF_ERROR(CountRecord());
    }
  }

  absl::StatusOr<std::size_t> Receive(int fd, std::span<const iovec> parts) {
    const std::lock_guard lock(mutex_);
    Begin(fd);
    std::size_t received = 0;
    for (const iovec& part : parts) {
      std::size_t filled = 0;
      while (filled < part.iov_len) {
        std::size_t count = 0;
        const int result = SSL_read_ex(ssl_.get(), static_cast<std::byte*>(part.iov_base) + filled,
                                       part.iov_len - filled, &count);
        if (result != 1) {
          const int error = SSL_get_error(ssl_.get(), result);
          // What was read counts; an error comes again.
          if (received + filled > 0 || HasToWait(error)) return received + filled;
          if (error == SSL_ERROR_ZERO_RETURN) wire_.is_closed = true;
          return Failure();
        }
        filled += count;
      }
      received += filled;
    }
    return received;
  }

  [[nodiscard]] bool HasBufferedInput() const {
    const std::lock_guard lock(mutex_);
    return SSL_has_pending(ssl_.get()) == 1;
  }

 private:
  static SSL_CTX* Context() {
    static SSL_CTX* const context = [] {  // Lives as long as the process.
      SSL_CTX* const made = SSL_CTX_new(TLS_method());
      DIME_CHECK(made != nullptr);
      DIME_CHECK(SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION) == 1 &&
                 SSL_CTX_set_max_proto_version(made, TLS1_3_VERSION) == 1 &&
                 SSL_CTX_set_ciphersuites(made, kCipherName) == 1);
      SSL_CTX_set_options(made, SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
      SSL_CTX_clear_options(made, SSL_OP_ENABLE_MIDDLEBOX_COMPAT | SSL_OP_ALLOW_NO_DHE_KEX);
      SSL_CTX_set_num_tickets(made, 0);
      SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
      SSL_CTX_set_mode(made, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
      SSL_CTX_set_read_ahead(made, 1);
      SSL_CTX_set_default_read_buffer_len(made, kReadBufferBytes);
      SSL_CTX_set_psk_use_session_callback(made, OfferKey);
      SSL_CTX_set_psk_find_session_callback(made, FindKey);
      return made;
    }();
    return context;
  }

  static int OfferKey(SSL* ssl, const EVP_MD* /*digest*/, const unsigned char** identity,
                      std::size_t* identity_size, SSL_SESSION** session) {
    *identity = reinterpret_cast<const unsigned char*>(kIdentity);
    *identity_size = sizeof(kIdentity) - 1;
    *session = static_cast<Impl*>(SSL_get_app_data(ssl))->NewSession(ssl);
    return 1;
  }

  static int FindKey(SSL* ssl, const unsigned char* identity, std::size_t identity_size,
                     SSL_SESSION** session) {
    *session = nullptr;  // Of another name there is no key.
    if (identity_size == sizeof(kIdentity) - 1 &&
        std::memcmp(identity, kIdentity, identity_size) == 0) {
      *session = static_cast<Impl*>(SSL_get_app_data(ssl))->NewSession(ssl);
    }
    return 1;
  }

  // What OpenSSL takes for a key that was agreed on before; the caller's.
  SSL_SESSION* NewSession(SSL* ssl) const {
    SSL_SESSION* const session = SSL_SESSION_new();
    DIME_CHECK(session != nullptr &&
               SSL_SESSION_set1_master_key(session,
                                           reinterpret_cast<const unsigned char*>(key_.data()),
                                           key_.size()) == 1 &&
               SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, kCipher.data())) == 1 &&
               SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1);
    return session;
  }

  void Begin(int fd) {
    wire_.fd = fd;
    wire_.error = 0;
    ERR_clear_error();
  }

  // Either may come of either call: a new key goes out with whichever is the next.
  static bool HasToWait(int error) {
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  }

  [[nodiscard]] absl::Status WireStatus() const {
    if (wire_.error != 0) {
      return base::Unavailable("the connection broke: {}", std::strerror(wire_.error));
    }
    if (wire_.is_closed) return base::Unavailable("the peer closed the connection");
    return absl::OkStatus();
  }
  [[nodiscard]] absl::Status Failure() const {
    if (const absl::Status broken = WireStatus(); !broken.ok()) return broken;
    return base::DataLoss("TLS: bytes were damaged or changed on their way: {}", LastError());
  }

  // Takes the next bytes of `parts`, whose first `offset` are gone.
  void FillRecord(std::span<const iovec> parts, std::size_t offset) {
    for (const iovec& part : parts) {
      const auto* const from = static_cast<const std::byte*>(part.iov_base) + offset;
      const std::size_t count = std::min(part.iov_len - offset, kRecordBytes - record_.size());
      record_.insert(record_.end(), from, from + count);
      if (record_.size() == kRecordBytes) return;
      offset = 0;
    }
  }

  static void Skip(std::size_t count, std::span<const iovec>& parts, std::size_t& offset) {
    offset += count;
    while (!parts.empty() && offset >= parts.front().iov_len) {
      offset -= parts.front().iov_len;
      parts = parts.subspan(1);
    }
  }

  absl::Status CountRecord() {
    if (++num_records_ % records_per_key_ != 0) return absl::OkStatus();
    if (SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1) return absl::OkStatus();
    return base::Internal("TLS: no next key: {}", LastError());
  }

  const std::uint64_t records_per_key_;
  mutable std::mutex mutex_;
  base::Mac key_;
  Wire wire_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  std::vector<std::byte> record_;  // On its way; kept for its memory.
  std::uint64_t num_records_ = 0;
  bool is_blocked_by_output_ = false;
};

TlsStream::TlsStream(End end, const base::Mac& key, std::uint64_t records_per_key)
    : impl_(std::make_unique<Impl>(end, key, records_per_key)) {}
TlsStream::~TlsStream() = default;

absl::StatusOr<bool> TlsStream::Shake(int fd) { return impl_->Shake(fd); }
bool TlsStream::is_blocked_by_output() const { return impl_->is_blocked_by_output(); }
absl::StatusOr<std::size_t> TlsStream::Send(int fd, std::span<const iovec> parts) {
  return impl_->Send(fd, parts);
}
absl::StatusOr<std::size_t> TlsStream::Receive(int fd, std::span<const iovec> parts) {
  return impl_->Receive(fd, parts);
}
bool TlsStream::HasBufferedInput() const { return impl_->HasBufferedInput(); }

}  // namespace dime::net
