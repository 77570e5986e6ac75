#include "runtime/net/http_page.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>  // Asio 1.18 uses std::exchange and does not include it.

#include "runtime/base/log.h"

namespace dime::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kConnectionTime{10};
constexpr std::uint32_t kMaxHeaderBytes = 8 << 10;
constexpr int kMaxConnections = 32;
constexpr std::chrono::milliseconds kPauseAfterError{100};  // No descriptors are left, say.

struct Page {
  HttpPage::Options options;
  std::function<std::string()> make;
  int num_connections = 0;
};

// One connection, which lives as long as it waits for something.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, Page& page) : stream_(std::move(socket)), page_(page) {
    ++page_.num_connections;
    parser_.header_limit(kMaxHeaderBytes);
  }
  ~Session() { --page_.num_connections; }

  void Run() {
    stream_.expires_after(kConnectionTime);  // For all that follows.
    http::async_read(stream_, buffer_, parser_,
                     [self = shared_from_this()](const error_code& error, std::size_t /*bytes*/) {
                       self->Answer(error);
                     });
  }

 private:
  void Answer(const error_code& error) {
    if (error && !IsBadRequest(error)) return;
    response_.version(11);
    response_.keep_alive(false);
    response_.set(http::field::server, "dime");
    const http::status status = error ? StatusOf(error) : StatusOf(parser_.get());
    response_.result(status);
    if (status == http::status::ok) {
      response_.set(http::field::content_type, page_.options.content_type);
      response_.body() = page_.make();
    } else {
      response_.set(http::field::content_type, "text/plain; charset=utf-8");
      response_.body() = std::string(http::obsolete_reason(status)) + "\n";
    }
    if (status == http::status::method_not_allowed) response_.set(http::field::allow, "GET, HEAD");
    response_.prepare_payload();
    if (!error && parser_.get().method() == http::verb::head) response_.body().clear();
    http::async_write(stream_, response_,
                      [self = shared_from_this()](const error_code& /*error*/, std::size_t /*n*/) {
                        error_code ignored;
                        self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
                      });
  }

  // What the client has sent is wrong; else it is gone, or too slow.
  static bool IsBadRequest(const error_code& error) {
    return error.category() == make_error_code(http::error::bad_method).category() &&
           error != http::error::end_of_stream && error != http::error::partial_message;
  }
  static http::status StatusOf(const error_code& error) {
    return error == http::error::header_limit ? http::status::request_header_fields_too_large
                                              : http::status::bad_request;
  }
  [[nodiscard]] http::status StatusOf(const http::request<http::empty_body>& request) const {
    const std::string_view target(request.target().data(), request.target().size());
    if (target.substr(0, target.find('?')) != page_.options.target) return http::status::not_found;
    const bool is_read =
        request.method() == http::verb::get || request.method() == http::verb::head;
    return is_read ? http::status::ok : http::status::method_not_allowed;
  }

  beast::tcp_stream stream_;
  Page& page_;
  beast::flat_buffer buffer_{2 * kMaxHeaderBytes};
  http::request_parser<http::empty_body> parser_;
  http::response<http::string_body> response_;
};

absl::StatusOr<tcp::endpoint> EndpointOf(const Address& address) {
  error_code error;
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  const asio::ip::address number = asio::ip::make_address(host, error);
  if (address.kind == Address::Kind::kTcp && !error) return tcp::endpoint(number, address.port);
  return base::InvalidArgument("'{}' is no IP address, such as 127.0.0.1 or ::1", address.host);
}

}  // namespace

class HttpPage::Impl {
 public:
  Impl(Options options, std::function<std::string()> make)
      : page_{.options = std::move(options), .make = std::move(make)} {}

  ~Impl() {
    context_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Start(const Address& address) {
    DIME_ASSIGN_OR_RETURN(const tcp::endpoint endpoint, EndpointOf(address));
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(kMaxConnections, error);
    if (error) {
      return base::Unavailable("cannot listen on {}: {}", address.ToString(), error.message());
    }
    address_ = address;
    address_.port = acceptor_.local_endpoint(error).port();
    Accept();
    thread_ = std::thread([this] { Run(); });
    return absl::OkStatus();
  }

  [[nodiscard]] const Address& address() const { return address_; }

 private:
  void Run() {
    // A page that runs out of memory is no reason to end training.
    while (!context_.stopped()) {
      try {
        context_.run();
      } catch (const std::exception& error) {
        base::Log(base::Severity::kWarning, "the page at {}: {}", address_.ToString(),
                  error.what());
      }
    }
  }

  void Accept() {
    acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
      if (error) {
        pause_.expires_after(kPauseAfterError);
        pause_.async_wait([this](const error_code& /*error*/) { Accept(); });
        return;
      }
      // One too many is closed; those that are there end soon.
      if (page_.num_connections < kMaxConnections) {
        std::make_shared<Session>(std::move(socket), page_)->Run();
      }
      Accept();
    });
  }

  Page page_;
  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_};
  asio::steady_timer pause_{context_};
  Address address_;
  std::thread thread_;
};

HttpPage::HttpPage(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpPage::~HttpPage() = default;

absl::StatusOr<std::unique_ptr<HttpPage>> HttpPage::Open(const Address& address, Options options,
                                                         std::function<std::string()> make) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(make));
  DIME_RETURN_IF_ERROR(impl->Start(address));
  return std::unique_ptr<HttpPage>(new HttpPage(std::move(impl)));
}

const Address& HttpPage::address() const { return impl_->address(); }

}  // namespace dime::net
