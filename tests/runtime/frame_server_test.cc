#include "runtime/net/frame_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <future>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "runtime/net/channel.h"
#include "tests/runtime/frames.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::net {
namespace {

using namespace std::chrono_literals;

constexpr std::uint8_t kTwice = 21;  // Answers with two frames.
constexpr std::uint8_t kBad = 22;
constexpr std::uint8_t kSlow = 23;  // Takes a while, and is not answered.

// Sends back what it gets.
class EchoServer final : public FrameHandler {
 public:
  explicit EchoServer(const Address& address, const FrameServerOptions& options = {}) {
    auto server = FrameServer::Open({&address, 1}, {"token"}, options);
    EXPECT_OK(server);
    server_ = *std::move(server);
    thread_ = std::jthread([this](std::stop_token stop) { EXPECT_OK(server_->Run(*this, stop)); });
  }

  void OnConnected(ConnectionId, const PeerName& peer) override {
    last_index = peer.index;
    ++num_connected;
  }
  absl::Status OnFrame(ConnectionId connection, const FrameHeader& header,
                       std::span<const std::byte> payload) override {
    ++num_frames;
    if (header.type == kBad) return base::DataLoss("a bad message");
    if (header.type == kSlow) {
      std::this_thread::sleep_for(1ms);
      return absl::OkStatus();
    }
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(payload.data()) % 16, 0u);
    const iovec part = {const_cast<std::byte*>(payload.data()), payload.size()};
    for (int i = 0; i < (header.type == kTwice ? 2 : 1); ++i) {
      server_->Send(connection, {.type = header.type, .request_id = header.request_id}, {&part, 1});
    }
    return absl::OkStatus();
  }
  void OnClosed(ConnectionId) override { ++num_closed; }
  void OnTick() override {}

  [[nodiscard]] Address address() const { return server_->addresses().front(); }
  [[nodiscard]] std::thread::id thread_id() const { return thread_.get_id(); }
  void Post(std::function<void()> work) const { server_->Post(std::move(work)); }

  std::atomic<int> num_frames = 0;
  std::atomic<int> num_connected = 0;
  std::atomic<int> num_closed = 0;
  std::atomic<std::uint32_t> last_index = 0;

 private:
  std::unique_ptr<FrameServer> server_;
  std::jthread thread_;
};

Channel Connect(const Address& address) {
  auto socket = Socket::Connect(address, In(5s));
  EXPECT_OK(socket);
  return {*std::move(socket), "the server"};
}

Channel ConnectAndAuthenticate(const Address& address) {
  Channel channel = Connect(address);
  EXPECT_OK(Authenticate(channel, {"token"}, {.role = 1, .index = 7}, In(5s)));
  return channel;
}

absl::Status Send(Channel& channel, std::uint8_t type, std::uint64_t id,
                  std::vector<std::byte>& payload) {
  const iovec part = {payload.data(), payload.size()};
  return channel.Send({.type = type, .request_id = id}, {&part, 1}, In(10s));
}

void ExpectFrame(Channel& channel, std::uint64_t id, const std::vector<std::byte>& payload) {
  const auto header = channel.ReceiveHeader(In(10s));
  ASSERT_OK(header);
  EXPECT_EQ(header->request_id, id);
  const auto received = channel.ReceivePayload(In(10s));
  ASSERT_OK(received);
  EXPECT_TRUE(*received == payload);
}

class FrameServerTest : public ::testing::TestWithParam<Address::Kind> {
 protected:
  Address NewAddress() {
    if (GetParam() == Address::Kind::kTcp) return {.host = "127.0.0.1"};
    return {.kind = Address::Kind::kUnix, .host = dir_.path() + "/socket"};
  }

 private:
  dime::testing::TempDir dir_;
};

INSTANTIATE_TEST_SUITE_P(AllKinds, FrameServerTest,
                         ::testing::Values(Address::Kind::kTcp, Address::Kind::kUnix));

TEST_P(FrameServerTest, FramesOfAnySizeComeBack) {
  const EchoServer server(NewAddress());
  Channel channel = ConnectAndAuthenticate(server.address());
  for (const std::size_t size : {0, 1, 100, 4064, 4096, 100'000, 20'000'000}) {
    std::vector<std::byte> payload = Counting(size);
    ASSERT_OK(Send(channel, kEcho, size, payload));
    ExpectFrame(channel, size, payload);
    EXPECT_EQ(server.last_index, 7u);
  }
}

TEST_P(FrameServerTest, FramesThatComeTogetherAreAllAnswered) {
  const EchoServer server(NewAddress());
  Channel channel = ConnectAndAuthenticate(server.address());
  std::vector<std::byte> payload = Counting(33);
  for (std::uint64_t id = 0; id < 100; ++id) ASSERT_OK(Send(channel, kTwice, id, payload));
  for (std::uint64_t id = 0; id < 100; ++id) {
    ExpectFrame(channel, id, payload);
    ExpectFrame(channel, id, payload);
  }
}

TEST_P(FrameServerTest, APeerThatTakesNothingForAWhileGetsEverythingLater) {
  const EchoServer server(NewAddress());
  Channel channel = ConnectAndAuthenticate(server.address());
  std::vector<std::byte> payload = Counting(1'000'000);
  for (std::uint64_t id = 0; id < 20; ++id) ASSERT_OK(Send(channel, kEcho, id, payload));
  for (std::uint64_t id = 0; id < 20; ++id) ExpectFrame(channel, id, payload);
}

TEST_P(FrameServerTest, APeerThatTakesNothingIsNotAskedForMore) {
  EchoServer server(NewAddress());
  Channel channel = ConnectAndAuthenticate(server.address());
  std::vector<std::byte> payload = Counting(1'000'000);
  std::jthread sender([&channel, payload]() mutable {
    for (std::uint64_t id = 0; id < 200; ++id) ASSERT_OK(Send(channel, kEcho, id, payload));
  });
  // Its queue, what lies in the system's buffers on both ways, and what is between.
  ASSERT_TRUE(dime::testing::Eventually([&] { return server.num_frames >= 20; }));
  int num_frames = -1;
  while (num_frames != server.num_frames) {
    num_frames = server.num_frames;
    std::this_thread::sleep_for(300ms);
  }
  EXPECT_LT(num_frames, 100);
  auto twin = channel.Twin();
  ASSERT_OK(twin);
  for (std::uint64_t id = 0; id < 200; ++id) ExpectFrame(*twin, id, payload);
}

TEST_P(FrameServerTest, ManyPeersAreServedAtOnce) {
  const EchoServer server(NewAddress());
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 0; t < 8; ++t) {
    threads.emplace_back([&server, t] {
      Channel channel = ConnectAndAuthenticate(server.address());
      for (std::uint64_t id = 0; id < 50; ++id) {
        std::vector<std::byte> payload = Counting(t * 1000 + id);
        ASSERT_OK(Send(channel, kEcho, id, payload));
        ExpectFrame(channel, id, payload);
      }
    });
  }
}

TEST_P(FrameServerTest, AWrongTokenIsRefusedByBothEnds) {
  const EchoServer server(NewAddress());
  Channel channel = Connect(server.address());
  EXPECT_TRUE(absl::IsPermissionDenied(Authenticate(channel, {"other"}, {}, In(5s))));
  // The server's end: a peer that goes on regardless.
  Channel stranger = Connect(server.address());
  std::vector<std::byte> hello(32);
  ASSERT_OK(Send(stranger, kHello, 0, hello));
  ASSERT_OK(stranger.ReceiveHeader(In(5s)));
  ASSERT_OK(stranger.ReceivePayload(In(5s)));
  std::vector<std::byte> proof(32);
  ASSERT_OK(Send(stranger, kProof, 0, proof));
  EXPECT_TRUE(absl::IsUnavailable(stranger.ReceiveHeader(In(5s)).status()));
  EXPECT_EQ(server.num_connected, 0);
}

TEST_P(FrameServerTest, AConnectionThatBreaksInTheHandshakeMayBeTriedAgain) {
  auto listener = Listener::Open(NewAddress());
  ASSERT_OK(listener);
  Channel channel = Connect(listener->address());
  {
    absl::StatusOr<Socket> accepted = listener->Accept();
    while (accepted.ok() && !accepted->is_open()) accepted = listener->Accept();
    ASSERT_OK(accepted);
  }
  EXPECT_TRUE(absl::IsUnavailable(Authenticate(channel, {.token = "token"}, {}, In(5s))));
}

TEST_P(FrameServerTest, NothingIsHandledBeforeTheHandshake) {
  const EchoServer server(NewAddress());
  Channel stranger = Connect(server.address());
  std::vector<std::byte> payload = Counting(10);
  ASSERT_OK(Send(stranger, kEcho, 0, payload));
  EXPECT_TRUE(absl::IsUnavailable(stranger.ReceiveHeader(In(5s)).status()));
}

TEST_P(FrameServerTest, AStrangersLongMessageIsRefusedAtItsHeader) {
  const EchoServer server(NewAddress());
  Channel stranger = Connect(server.address());
  std::vector<std::byte> payload(kMaxHandshakePayloadBytes + 1);
  (void)Send(stranger, kHello, 0, payload);
  EXPECT_TRUE(absl::IsUnavailable(stranger.ReceiveHeader(In(5s)).status()));
}

TEST_P(FrameServerTest, SilentStrangersAreSentAwayAndTheOthersServed) {
  const EchoServer server(NewAddress(), {.max_strangers = 4, .handshake_time = 200ms});
  std::vector<Channel> strangers;
  for (int i = 0; i < 10; ++i) strangers.push_back(Connect(server.address()));
  Channel channel = ConnectAndAuthenticate(server.address());
  std::vector<std::byte> payload = Counting(10);
  ASSERT_OK(Send(channel, kEcho, 1, payload));
  ExpectFrame(channel, 1, payload);
  EXPECT_TRUE(absl::IsUnavailable(strangers.front().ReceiveHeader(In(5s)).status()));
}

TEST_P(FrameServerTest, ABadMessageEndsItsConnectionAlone) {
  const EchoServer server(NewAddress());
  Channel bad = ConnectAndAuthenticate(server.address());
  Channel good = ConnectAndAuthenticate(server.address());
  std::vector<std::byte> payload = Counting(10);
  ASSERT_OK(Send(bad, kBad, 1, payload));
  EXPECT_TRUE(absl::IsUnavailable(bad.ReceiveHeader(In(5s)).status()));
  ASSERT_OK(Send(good, kEcho, 2, payload));
  ExpectFrame(good, 2, payload);
}

TEST_P(FrameServerTest, WaitingForAnAnswerHasAnEnd) {
  const EchoServer server(NewAddress());
  Channel channel = ConnectAndAuthenticate(server.address());
  const auto header = channel.ReceiveHeader(Clock::now() + 20ms);
  EXPECT_TRUE(absl::IsDeadlineExceeded(header.status()));
  EXPECT_THAT(std::string(base::MessageOf(header.status())), ::testing::HasSubstr("the server"));
}

TEST(FrameServerSocketTest, APathThatIsTooLongIsRefusedNotCut) {
  const Address address = {.kind = Address::Kind::kUnix, .host = "/tmp/" + std::string(200, 'x')};
  EXPECT_TRUE(absl::IsInvalidArgument(Listener::Open(address).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Socket::Connect(address, In(1s)).status()));
}

TEST(FrameServerSocketTest, AUnixSocketIsItsOwnersAndGoesWithTheServer) {
  const dime::testing::TempDir dir;
  const Address address = {.kind = Address::Kind::kUnix, .host = dir.path() + "/socket"};
  {
    const EchoServer server(address);
    EXPECT_TRUE(absl::IsAlreadyExists(Listener::Open(address).status()) ||
                absl::IsUnavailable(Listener::Open(address).status()));
  }
  EXPECT_FALSE(Socket::Connect(address, In(1s)).ok());
  const EchoServer again(address);
}

TEST(FrameServerSocketTest, ASocketWithoutAFileIsReachedByItsName) {
  const Address address = {.kind = Address::Kind::kUnix,
                           .host = "@dime-test-" + std::to_string(getpid())};
  {
    const EchoServer server(address);
    EXPECT_OK(Authenticate(*std::make_unique<Channel>(Connect(address)), {"token"}, {}, In(5s)));
  }
  EXPECT_FALSE(Socket::Connect(address, In(1s)).ok());
}

TEST(FrameServerSocketTest, ListeningAtAnotherMachinesAddressIsRefused) {
  const Address address = {.host = "192.0.2.1", .port = 0};  // TEST-NET-1: nobody's.
  EXPECT_THAT(Listener::Open(address).status(),
              dime::testing::StatusIs(absl::StatusCode::kFailedPrecondition,
                                      ::testing::HasSubstr("no address of this machine")));
}

TEST(FrameServerSocketTest, AConnectionKnowsByWhichAddressItIsReached) {
  const EchoServer server(Address{.host = "127.0.0.1"});
  EXPECT_EQ(Socket::Connect(server.address(), In(5s))->LocalHost(), "127.0.0.1");
}

TEST(FrameServerPostTest, WorkOfAnotherThreadIsDoneByTheServersOwn) {
  const EchoServer server(Address{.host = "127.0.0.1"});
  std::promise<std::thread::id> done;
  server.Post([&] { done.set_value(std::this_thread::get_id()); });
  EXPECT_EQ(done.get_future().get(), server.thread_id());
}

TEST(FrameServerTurnsTest, APeerThatSendsAllTheTimeKeepsNobodyWaiting) {
  for (const TransportSecurity security : {TransportSecurity::kTls, TransportSecurity::kInsecure}) {
    const EchoServer server(Address{.host = "127.0.0.1"});
    const std::jthread sender([&](const std::stop_token& stop) {
      Channel channel = Connect(server.address());
      ASSERT_OK(Authenticate(channel, {.token = "token", .security = security}, {}, In(5s)));
      std::vector<std::byte> payload = Counting(1000);
      while (!stop.stop_requested()) ASSERT_OK(Send(channel, kSlow, 1, payload));
    });
    // By now more has been sent than is handled in time.
    EXPECT_TRUE(dime::testing::Eventually([&] { return server.num_frames >= 100; }));
    Channel channel = ConnectAndAuthenticate(server.address());
    std::vector<std::byte> payload = Counting(100);
    ASSERT_OK(Send(channel, kEcho, 7, payload));
    ExpectFrame(channel, 7, payload);
  }
}

// A header as a peer of the next version sends it.
FrameHeaderBytes HeaderOfNextVersion(std::uint8_t type) {
  FrameHeaderBytes bytes = EncodeFrameHeader({.type = type}, {});
  bytes[4] = std::byte{kWireVersion + 1};
  return bytes;
}

TEST_P(FrameServerTest, APeerOfAnotherVersionIsToldOurs) {
  const EchoServer server(NewAddress());
  auto socket = Socket::Connect(server.address(), In(5s));
  ASSERT_OK(socket);
  FrameHeaderBytes hello = HeaderOfNextVersion(kHello);
  const iovec part = {hello.data(), hello.size()};
  ASSERT_OK(socket->Send({&part, 1}));
  Channel channel(*std::move(socket), "the server");
  const auto header = channel.ReceiveHeader(In(10s));
  ASSERT_OK(header);
  EXPECT_EQ(header->type, kOtherVersion);
  EXPECT_FALSE(channel.ReceiveHeader(In(10s)).ok());
  EXPECT_EQ(server.num_connected, 0);
}

TEST(AuthenticateTest, AServerOfAnotherVersionIsNamedWithBoth) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  Channel channel(Socket(ends[0]), "the server");
  Socket server(ends[1]);
  FrameHeaderBytes answer = HeaderOfNextVersion(kOtherVersion);
  const iovec part = {answer.data(), answer.size()};
  ASSERT_OK(server.Send({&part, 1}));
  const absl::Status status = Authenticate(channel, {"token"}, {}, In(5s));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(base::MessageOf(status)),
              ::testing::AllOf(::testing::HasSubstr("the server"),
                               ::testing::HasSubstr("version " + std::to_string(kWireVersion + 1)),
                               ::testing::HasSubstr("run the same version")));
}

// A TCP connection to 127.0.0.1 from one of this host's other addresses.
Socket ConnectFrom(const char* host, std::uint16_t port) {
  Socket socket(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in from{};
  from.sin_family = AF_INET;
  inet_pton(AF_INET, host, &from.sin_addr);
  EXPECT_EQ(bind(socket.fd(), reinterpret_cast<sockaddr*>(&from), sizeof(from)), 0);
  sockaddr_in to = from;
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  to.sin_port = htons(port);
  EXPECT_EQ(connect(socket.fd(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  return socket;
}

TEST(SocketTest, AConnectionIsWithinTheHostWhenBothEndsHaveOneAddress) {
  const auto listener = Listener::Open({.host = "127.0.0.1"});
  ASSERT_OK(listener);
  EXPECT_TRUE(ConnectFrom("127.0.0.1", listener->address().port).IsWithinHost());
  EXPECT_FALSE(ConnectFrom("127.0.0.2", listener->address().port).IsWithinHost());
  EXPECT_FALSE(Socket().IsWithinHost());
}

}  // namespace
}  // namespace dime::net
