#include "runtime/net/tls_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/net/channel.h"
#include "runtime/net/frame_server.h"
#include "runtime/net/handshake.h"
#include "runtime/net/socket.h"
#include "tests/runtime/frames.h"
#include "tests/support/status_matchers.h"

namespace dime::net {
namespace {

using namespace std::chrono_literals;
using ::dime::testing::StatusIs;
using ::testing::HasSubstr;

base::Mac Key(char c) { return base::HmacSha256("key", std::string(1, c)); }

std::pair<Socket, Socket> SocketPair() {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  return {Socket(fds[0]), Socket(fds[1])};
}

std::pair<Socket, Socket> TcpPair() {
  auto listener = *Listener::Open({.host = "127.0.0.1"});
  Socket client = *Socket::Connect(listener.address(), In(5s));
  Socket server;
  while (!server.is_open()) server = *listener.Accept();
  return {std::move(client), std::move(server)};
}

iovec WholeOf(std::vector<std::byte>& bytes) { return {bytes.data(), bytes.size()}; }

// Carries bytes between two sockets, both ways, at most `piece` at a time, and shows those of each
// direction to `look`, which may change them. Ends when one end does.
class Between {
 public:
  using Look = std::function<void(bool to_server, std::span<std::byte>)>;
  Between(Socket client, Socket server, std::size_t piece, Look look = {})
      : client_(std::move(client)), server_(std::move(server)), look_(std::move(look)) {
    thread_ = std::jthread([this, piece](const std::stop_token& stop) {
      while (!stop.stop_requested() && Carry(client_, server_, piece, /*to_server=*/true) &&
             Carry(server_, client_, piece, /*to_server=*/false)) {
      }
      client_.Shutdown();
      server_.Shutdown();
    });
  }

 private:
  bool Carry(Socket& from, Socket& to, std::size_t piece, bool to_server) {
    std::vector<std::byte> bytes(piece);
    const iovec room = WholeOf(bytes);
    const auto count = from.Receive({&room, 1});
    if (!count.ok()) return false;
    bytes.resize(*count);
    if (look_ && !bytes.empty()) look_(to_server, bytes);
    for (std::size_t sent = 0; sent < bytes.size();) {
      const iovec part = {bytes.data() + sent, bytes.size() - sent};
      const auto moved = to.Send({&part, 1});
      if (!moved.ok()) return false;
      sent += *moved;
    }
    return true;
  }

  Socket client_;
  Socket server_;
  Look look_;
  std::jthread thread_;
};

// Ends the handshakes of both; the first error.
absl::Status ShakeBoth(Socket& client, Socket& server) {
  bool client_is_done = false;
  bool server_is_done = false;
  const Deadline deadline = In(10s);
  while (!client_is_done || !server_is_done) {
    if (Clock::now() > deadline) return base::DeadlineExceeded("the handshake does not end");
    if (!client_is_done) {
      DIME_ASSIGN_OR_RETURN(client_is_done, client.ShakeTls());
    }
    if (!server_is_done) {
      DIME_ASSIGN_OR_RETURN(server_is_done, server.ShakeTls());
    }
  }
  return absl::OkStatus();
}

struct Ends {
  Socket client;
  Socket server;
};
Ends MakeEnds(char client_key = 'a', char server_key = 'a') {
  auto [client, server] = SocketPair();
  client.StartTls(TlsStream::End::kClient, Key(client_key));
  server.StartTls(TlsStream::End::kServer, Key(server_key));
  return {std::move(client), std::move(server)};
}

// Sends `bytes` and receives them at the other end at the same time, in parts of odd sizes.
void ExpectToPass(Socket& from, Socket& to, std::vector<std::byte> bytes) {
  std::jthread sender([&from, bytes]() mutable {
    std::vector<iovec> parts = {{bytes.data(), bytes.size() / 3},
                                {bytes.data() + bytes.size() / 3, bytes.size() - bytes.size() / 3}};
    std::size_t first = Advance(parts, 0, 0);
    while (first < parts.size()) {
      const auto sent = from.Send(std::span(parts).subspan(first));
      ASSERT_OK(sent);
      first = Advance(parts, first, *sent);
      if (*sent == 0) {
        ASSERT_OK(from.AwaitWritable(In(10s)));
      }
    }
  });
  std::vector<std::byte> received(bytes.size());
  std::vector<iovec> parts = {
      {received.data(), received.size() / 7},
      {received.data() + received.size() / 7, received.size() - received.size() / 7}};
  std::size_t first = Advance(parts, 0, 0);
  while (first < parts.size()) {
    const auto count = to.Receive(std::span(parts).subspan(first));
    ASSERT_OK(count);
    first = Advance(parts, first, *count);
    if (*count == 0) {
      ASSERT_OK(to.AwaitReadable(In(10s)));
    }
  }
  EXPECT_TRUE(received == bytes);
}

TEST(TlsStreamTest, BytesOfAnyNumberPassBothWays) {
  auto [client, server] = MakeEnds();
  ASSERT_OK(ShakeBoth(client, server));
  for (const std::size_t size : {1, 100, 16384, 16385, 100'000, 10'000'000}) {
    ExpectToPass(client, server, Counting(size));
    ExpectToPass(server, client, Counting(size));
  }
}

TEST(TlsStreamTest, NewKeysOnTheWayDisturbNobody) {
  auto [client, server] = SocketPair();
  constexpr int kSmall = 4096;
  for (const int fd : {client.fd(), server.fd()}) {
    ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSmall, sizeof(kSmall)), 0);
  }
  const std::vector<std::byte> bytes = Counting(1'000'000);
  const auto exchange = [&bytes](TlsStream stream, int fd) {
    const Deadline deadline = In(60s);
    for (bool is_over = false; !is_over;) {
      ASSERT_LT(Clock::now(), deadline);
      const auto shaken = stream.Shake(fd);
      ASSERT_OK(shaken);
      is_over = *shaken;
    }
    std::vector<std::byte> out = bytes;
    std::vector<std::byte> in(bytes.size());
    std::size_t sent = 0;
    std::size_t received = 0;
    while (sent < out.size() || received < in.size()) {
      ASSERT_LT(Clock::now(), deadline);
      const iovec rest = {out.data() + sent, out.size() - sent};
      const auto more_sent = stream.Send(fd, {&rest, 1});
      ASSERT_OK(more_sent);
      sent += *more_sent;
      const iovec room = {in.data() + received, in.size() - received};
      const auto more_received = stream.Receive(fd, {&room, 1});
      ASSERT_OK(more_received);
      received += *more_received;
    }
    EXPECT_TRUE(in == bytes);
  };
  std::jthread other([&, fd = server.fd()] {
    exchange(TlsStream(TlsStream::End::kServer, Key('a'), /*records_per_key=*/3), fd);
  });
  exchange(TlsStream(TlsStream::End::kClient, Key('a'), /*records_per_key=*/2), client.fd());
}

TEST(TlsStreamTest, AnotherKeyIsRefused) {
  auto [client, server] = MakeEnds('a', 'b');
  EXPECT_THAT(ShakeBoth(client, server),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("the job's token")));
}

TEST(TlsStreamTest, WhoSpeaksNoTlsIsRefused) {
  auto [client, server] = SocketPair();
  server.StartTls(TlsStream::End::kServer, Key('a'));
  std::vector<std::byte> bytes = Counting(100);
  const iovec part = WholeOf(bytes);
  ASSERT_OK(client.Send({&part, 1}));
  EXPECT_TRUE(absl::IsPermissionDenied(server.ShakeTls().status()));
}

TEST(TlsStreamTest, WhoHangsUpInTheHandshakeIsGone) {
  auto [client, server] = SocketPair();
  server.StartTls(TlsStream::End::kServer, Key('a'));
  client = Socket();
  EXPECT_TRUE(absl::IsUnavailable(server.ShakeTls().status()));
}

TEST(TlsStreamTest, ChangedBytesAreNoticed) {
  auto [client, client_far] = SocketPair();
  auto [server, server_far] = SocketPair();
  client.StartTls(TlsStream::End::kClient, Key('a'));
  server.StartTls(TlsStream::End::kServer, Key('a'));
  std::atomic<bool> changes = false;
  const Between between(std::move(client_far), std::move(server_far), 4096,
                        [&](bool /*to_server*/, std::span<std::byte> bytes) {
                          if (changes) bytes.back() ^= std::byte{1};
                        });
  ASSERT_OK(ShakeBoth(client, server));
  changes = true;
  std::vector<std::byte> bytes = Counting(100);
  const iovec part = WholeOf(bytes);
  ASSERT_OK(client.Send({&part, 1}));
  absl::StatusOr<std::size_t> received = std::size_t{0};
  while (received.ok() && *received == 0) {
    ASSERT_OK(server.AwaitReadable(In(10s)));
    received = server.Receive({&part, 1});
  }
  EXPECT_THAT(received, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("changed on their way")));
}

// Answers frames with the same frame.
class TlsEchoServer final : public FrameHandler {
 public:
  explicit TlsEchoServer(const Credentials& credentials, const FrameServerOptions& options = {}) {
    const Address address = {.host = "127.0.0.1"};
    server_ = *FrameServer::Open({&address, 1}, credentials, options);
    thread_ = std::jthread([this](std::stop_token stop) { EXPECT_OK(server_->Run(*this, stop)); });
  }

  void OnConnected(ConnectionId, const PeerName&) override { ++num_connected; }
  absl::Status OnFrame(ConnectionId connection, const FrameHeader& header,
                       std::span<const std::byte> payload) override {
    flags = header.flags;
    const iovec part = {const_cast<std::byte*>(payload.data()), payload.size()};
    server_->Send(connection, {.type = header.type, .request_id = header.request_id}, {&part, 1});
    return absl::OkStatus();
  }
  void OnClosed(ConnectionId) override {}
  void OnTick() override {}

  [[nodiscard]] Address address() const { return server_->addresses().front(); }
  std::atomic<int> num_connected = 0;
  std::atomic<int> flags = 0;

 private:
  std::unique_ptr<FrameServer> server_;
  std::jthread thread_;
};

Credentials Token(TransportSecurity security, const char* token = "token") {
  return {.token = token, .security = security};
}
constexpr TransportSecurity kTls = TransportSecurity::kTls;
constexpr TransportSecurity kPlain = TransportSecurity::kInsecure;

Socket ConnectTo(const Address& address) { return *Socket::Connect(address, In(5s)); }

// A client whose bytes go through a `Between`.
struct Client {
  Client(const Address& address, std::size_t piece, Between::Look look = {})
      : Client(SocketPair(), address, piece, std::move(look)) {}
  Client(std::pair<Socket, Socket> pair, const Address& address, std::size_t piece,
         Between::Look look)
      : between(std::move(pair.second), ConnectTo(address), piece, std::move(look)),
        channel(std::move(pair.first), "the server") {}

  Between between;
  Channel channel;
};

void ExpectEchoes(Channel& channel, std::initializer_list<std::size_t> sizes) {
  std::uint64_t id = 0;
  for (const std::size_t size : sizes) {
    std::vector<std::byte> payload = Counting(size);
    const iovec part = WholeOf(payload);
    ASSERT_OK(channel.Send({.type = kEcho, .request_id = ++id}, {&part, 1}, In(20s)));
    const auto header = channel.ReceiveHeader(In(20s));
    ASSERT_OK(header);
    EXPECT_EQ(header->request_id, id);
    const auto received = channel.ReceivePayload(In(20s));
    ASSERT_OK(received);
    EXPECT_TRUE(*received == payload);
  }
}

bool Contains(const std::string& bytes, std::string_view text) {
  return bytes.find(text) != bytes.npos;
}

TEST(SecureConnectionTest, TlsFollowsWhenEitherEndAsksForIt) {
  for (const auto& [client_security, server_security] :
       {std::pair(kTls, kTls), std::pair(kTls, kPlain), std::pair(kPlain, kTls)}) {
    const TlsEchoServer server(Token(server_security));
    Channel channel(ConnectTo(server.address()), "the server");
    ASSERT_OK(Authenticate(channel, Token(client_security), {}, In(5s)));
    EXPECT_TRUE(channel.socket().has_tls());
    ExpectEchoes(channel, {0, 1, 100, 4064, 100'000, 20'000'000});
    EXPECT_EQ(server.flags & kFlagHeaderSumOnly, kFlagHeaderSumOnly);  // TLS has sums of its own.
  }
}

TEST(SecureConnectionTest, WithinAHostAutoIsPlain) {
  const TlsEchoServer server(Token(TransportSecurity::kAuto));
  Channel channel(ConnectTo(server.address()), "the server");
  ASSERT_OK(Authenticate(channel, Token(TransportSecurity::kAuto), {}, In(5s)));
  EXPECT_FALSE(channel.socket().has_tls());
  ExpectEchoes(channel, {100});
}

TEST(SecureConnectionTest, AutoAsksForTlsBetweenAddresses) {
  EXPECT_TRUE(AsksForTls(TransportSecurity::kAuto, Socket()));  // Of which nothing is known.
  const auto pair = SocketPair();
  for (const TransportSecurity security : {TransportSecurity::kAuto, kTls, kPlain}) {
    EXPECT_FALSE(AsksForTls(security, pair.first));  // A Unix socket.
  }
}

TEST(SecureConnectionTest, AWrongTokenIsRefusedBeforeTls) {
  const TlsEchoServer server(Token(kTls));
  Channel channel(ConnectTo(server.address()), "the server");
  EXPECT_THAT(Authenticate(channel, Token(kTls, "other"), {}, In(5s)),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("token")));
  EXPECT_EQ(server.num_connected, 0);
}

TEST(SecureConnectionTest, SingleBytesAreAsGoodAsMany) {
  const TlsEchoServer server(Token(kTls));
  Client client(server.address(), /*piece=*/1);
  // The client's own socket is a Unix one, which does not ask for TLS; the server does.
  ASSERT_OK(Authenticate(client.channel, Token(kTls), {}, In(20s)));
  EXPECT_TRUE(client.channel.socket().has_tls());
  ExpectEchoes(client.channel, {0, 1, 5000, 40'000});
}

TEST(SecureConnectionTest, WhoIsBetweenSeesNoFrames) {
  for (const TransportSecurity security : {kTls, kPlain}) {
    std::string seen;
    {
      const TlsEchoServer server(Token(security));
      Client client(server.address(), 4096, [&](bool, std::span<std::byte> bytes) {
        seen.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      });
      ASSERT_OK(Authenticate(client.channel, Token(security), {}, In(5s)));
      std::string payload = "four tensors and a gradient";
      const iovec part = {payload.data(), payload.size()};
      ASSERT_OK(client.channel.Send({.type = kEcho}, {&part, 1}, In(5s)));
      ASSERT_OK(client.channel.ReceiveHeader(In(5s)));
      ASSERT_OK(client.channel.ReceivePayload(In(5s)));
    }
    EXPECT_EQ(Contains(seen, "gradient"), security == kPlain);
  }
}

// Where the fields of a handshake's payload are that say whether TLS is asked for, or follows.
constexpr std::size_t kAskAt = kFrameHeaderBytes + 12;
constexpr std::size_t kFollowsAt = kFrameHeaderBytes + 16;

// Sets a byte of the first frame of one direction to 0, and its sum accordingly.
Between::Look Downgrade(bool in_hello) {
  return [in_hello, done = false](bool to_server, std::span<std::byte> bytes) mutable {
    const std::size_t at = in_hello ? kAskAt : kFollowsAt;
    if (to_server != in_hello || done || bytes.size() <= at) return;
    bytes[at] = std::byte{0};
    done = true;
    auto header = DecodeFrameHeader(bytes.first<kFrameHeaderBytes>(), 4096);
    ASSERT_OK(header);
    const iovec payload = {bytes.data() + kFrameHeaderBytes, header->payload_bytes};
    std::ranges::copy(EncodeFrameHeader(*header, {&payload, 1}), bytes.begin());
  };
}

TEST(SecureConnectionTest, WhoIsBetweenCannotTalkTheEndsOutOfTls) {
  for (const bool in_hello : {true, false}) {
    const TlsEchoServer server(Token(in_hello ? kPlain : kTls));
    auto pair = TcpPair();
    const Between between(std::move(pair.second), ConnectTo(server.address()), 4096,
                          Downgrade(in_hello));
    Channel channel(std::move(pair.first), "the server");
    EXPECT_THAT(Authenticate(channel, Token(in_hello ? kTls : kPlain), {}, In(5s)),
                StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("the server")));
    EXPECT_EQ(server.num_connected, 0);
  }
}

// A handshake of a server, by hand, up to where TLS begins.
absl::Status ShakeAsServer(Channel& peer, const base::Secret& token) {
  HandshakeServer handshake(token, /*asks_for_tls=*/true);
  while (!handshake.peer()) {
    DIME_ASSIGN_OR_RETURN(const FrameHeader header, peer.ReceiveHeader(In(5s)));
    DIME_ASSIGN_OR_RETURN(const auto payload, peer.ReceivePayload(In(5s)));
    DIME_ASSIGN_OR_RETURN(const auto answer, handshake.OnFrame(header.type, payload));
    const iovec part = {const_cast<std::byte*>(answer.payload.data()), answer.payload.size()};
    DIME_RETURN_IF_ERROR(peer.Send({.type = answer.type}, {&part, 1}, In(5s)));
  }
  return absl::OkStatus();
}

TEST(SecureConnectionTest, AServerThatGoesOnInTheClearIsRefused) {
  static const base::Secret token = "token";
  auto pair = TcpPair();
  std::jthread plain([&pair] {
    Channel peer(std::move(pair.second), "the client");
    ASSERT_OK(ShakeAsServer(peer, token));
    (void)peer.Send({.type = kEcho}, {}, In(5s));
    (void)peer.ReceiveHeader(In(5s));
  });
  Channel channel(std::move(pair.first), "the server");
  EXPECT_THAT(Authenticate(channel, Token(kTls), {}, In(5s)),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("the server")));
}

TEST(SecureConnectionTest, AServerThatStopsInTlsIsWaitedForUntilTheDeadline) {
  static const base::Secret token = "token";
  auto pair = TcpPair();
  Channel channel(std::move(pair.first), "the server");
  std::atomic<bool> is_over = false;
  std::jthread silent([&] {
    Channel peer(std::move(pair.second), "the client");
    ASSERT_OK(ShakeAsServer(peer, token));
    while (!is_over) std::this_thread::sleep_for(1ms);
  });
  EXPECT_THAT(Authenticate(channel, Token(kTls), {}, In(2s)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("TLS handshake")));
  is_over = true;
}

TEST(SecureConnectionTest, AClientThatStopsInTlsIsSentAway) {
  const TlsEchoServer server(Token(kTls), {.handshake_time = 200ms});
  auto pair = TcpPair();
  std::atomic<int> to_server = 0;
  // The hello and the proof pass; what comes after them comes too late.
  const Between between(std::move(pair.second), ConnectTo(server.address()), 4096,
                        [&](bool up, std::span<std::byte> /*bytes*/) {
                          if (up && ++to_server == 3) std::this_thread::sleep_for(1s);
                        });
  Channel channel(std::move(pair.first), "the server");
  EXPECT_FALSE(Authenticate(channel, Token(kTls), {}, In(20s)).ok());
  EXPECT_EQ(server.num_connected, 0);
}

TEST(SecureConnectionTest, OneThreadSendsWhileAnotherReceives) {
  const TlsEchoServer server(Token(kTls));
  Channel receiving(ConnectTo(server.address()), "the server");
  ASSERT_OK(Authenticate(receiving, Token(kTls), {}, In(5s)));
  auto sending = receiving.Twin();
  ASSERT_OK(sending);
  std::vector<std::byte> payload = Counting(50'000);
  std::jthread sender([&] {
    std::vector<std::byte> bytes = payload;
    const iovec part = WholeOf(bytes);
    for (std::uint64_t id = 0; id < 200; ++id) {
      ASSERT_OK(sending->Send({.type = kEcho, .request_id = id}, {&part, 1}, In(20s)));
    }
  });
  for (std::uint64_t id = 0; id < 200; ++id) {
    const auto header = receiving.ReceiveHeader(In(20s));
    ASSERT_OK(header);
    EXPECT_EQ(header->request_id, id);
    const auto received = receiving.ReceivePayload(In(20s));
    ASSERT_OK(received);
    EXPECT_TRUE(*received == payload);
  }
}

TEST(SecureConnectionTest, ARecordedHandshakeHelpsNobody) {
  const TlsEchoServer server(Token(kTls));
  std::string sent;
  {
    Client client(server.address(), 4096, [&](bool to_server, std::span<std::byte> bytes) {
      if (to_server) sent.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    ASSERT_OK(Authenticate(client.channel, Token(kTls), {}, In(5s)));
    ExpectEchoes(client.channel, {100});
  }
  Socket again = ConnectTo(server.address());
  const iovec part = {sent.data(), sent.size()};
  ASSERT_OK(again.Send({&part, 1}));
  Channel channel(std::move(again), "the server");
  ASSERT_OK(channel.ReceiveHeader(In(5s)));  // A challenge, of another number.
  ASSERT_OK(channel.ReceivePayload(In(5s)));
  EXPECT_TRUE(absl::IsUnavailable(channel.ReceiveHeader(In(5s)).status()));
  EXPECT_EQ(server.num_connected, 1);
}

}  // namespace
}  // namespace dime::net
