#include "worker/coordination/rendezvous.h"

#include <array>
#include <cstddef>
#include <utility>

#include "runtime/base/secret.h"
#include "runtime/net/host.h"
#include "runtime/storage/file_system.h"
#include "worker/coordination/job_files.h"

namespace dime::worker {
namespace {

constexpr char kToken[] = "token";

net::Address SocketIn(const std::string& directory, std::string_view name) {
  return {.kind = net::Address::Kind::kUnix, .host = storage::JoinPath(directory, name)};
}

// A Unix socket without a file, whose name nobody else has.
net::Address NewSocket() {
  std::array<std::byte, 16> random;
  base::FillRandom(random);
  std::string name = "@dime-";
  for (const std::byte b : random) name += fmt::format("{:02x}", std::to_integer<int>(b));
  return {.kind = net::Address::Kind::kUnix, .host = name};
}

// The token, in a file of the user's or in one that the master makes.
class Token {
 public:
  explicit Token(TokenOptions options) : options_(std::move(options)) {}

  absl::StatusOr<base::Secret> Make() {
    if (is_users()) return ReadTokenFile(options_.file);
    DIME_RETURN_IF_ERROR(storage::LocalFileSystem().CreateDirectories(directory()));
    DIME_ASSIGN_OR_RETURN(file_, TokenFile::Create(storage::JoinPath(directory(), kToken)));
    return file_->token();
  }
  [[nodiscard]] absl::StatusOr<base::Secret> Read() const {
    return ReadTokenFile(is_users() ? options_.file : storage::JoinPath(directory(), kToken));
  }
  [[nodiscard]] bool is_users() const { return !options_.file.empty(); }
  [[nodiscard]] std::string directory() const {
    return storage::JoinPath(options_.job_dir, "dime");
  }

 private:
  const TokenOptions options_;
  std::unique_ptr<TokenFile> file_;  // Of the master.
};

class DirectoryRendezvous final : public Rendezvous {
 public:
  explicit DirectoryRendezvous(std::string directory) : directory_(std::move(directory)) {}

  absl::StatusOr<base::Secret> MakeToken() override {
    DIME_ASSIGN_OR_RETURN(file_, TokenFile::Create(storage::JoinPath(directory_, kToken)));
    return file_->token();
  }
  absl::StatusOr<std::vector<net::Address>> WhereMasterListens() override {
    return std::vector{SocketIn(directory_, "master")};
  }
  absl::Status Publish(const std::vector<net::Address>& /*addresses*/) override {
    return absl::OkStatus();
  }
  absl::StatusOr<MasterLocation> Locate() override {
    DIME_ASSIGN_OR_RETURN(base::Secret token, ReadTokenFile(storage::JoinPath(directory_, kToken)));
    return MasterLocation{.addresses = {SocketIn(directory_, "master")}, .token = std::move(token)};
  }
  absl::StatusOr<std::vector<net::Address>> WhereToListen(
      const cluster::ReplicaId& replica, const std::string& /*local_host*/) override {
    return std::vector{SocketIn(directory_, cluster::FormatReplica(replica))};
  }

 private:
  const std::string directory_;
  std::unique_ptr<TokenFile> file_;
};

class SpecRendezvous final : public Rendezvous {
 public:
  SpecRendezvous(cluster::ClusterSpec spec, TokenOptions token)
      : spec_(std::move(spec)), token_(std::move(token)) {}

  absl::StatusOr<base::Secret> MakeToken() override { return token_.Make(); }
  absl::StatusOr<std::vector<net::Address>> WhereMasterListens() override {
    DIME_ASSIGN_OR_RETURN(net::Address address, cluster::ParseReplicaAddress(spec_.master));
    return std::vector{std::move(address)};
  }
  absl::Status Publish(const std::vector<net::Address>& /*addresses*/) override {
    return absl::OkStatus();
  }
  absl::StatusOr<MasterLocation> Locate() override {
    MasterLocation location{.may_be_old = !token_.is_users()};
    DIME_ASSIGN_OR_RETURN(location.token, token_.Read());
    DIME_ASSIGN_OR_RETURN(location.addresses, WhereMasterListens());
    return location;
  }
  absl::StatusOr<std::vector<net::Address>> WhereToListen(
      const cluster::ReplicaId& replica, const std::string& /*local_host*/) override {
    DIME_ASSIGN_OR_RETURN(net::Address address,
                          cluster::ParseReplicaAddress(spec_.AddressOf(replica)));
    return std::vector{NewSocket(), std::move(address)};
  }

 private:
  const cluster::ClusterSpec spec_;
  Token token_;
};

class RankRendezvous final : public Rendezvous {
 public:
  explicit RankRendezvous(RankOptions options)
      : options_(std::move(options)), token_(options_.token) {}
  ~RankRendezvous() override {
    if (is_published_) (void)storage::LocalFileSystem().DeleteFile(page_path());
  }

  absl::StatusOr<base::Secret> MakeToken() override { return token_.Make(); }

  absl::StatusOr<std::vector<net::Address>> WhereMasterListens() override {
    std::vector<net::Address> addresses = {NewSocket()};
    if (options_.master_address) {
      addresses.push_back(*options_.master_address);
    } else if (!options_.is_on_one_host) {
      DIME_ASSIGN_OR_RETURN(std::string host, net::FirstAddress());
      addresses.push_back({.host = std::move(host)});
    }
    return addresses;
  }

  absl::Status Publish(const std::vector<net::Address>& addresses) override {
    DIME_RETURN_IF_ERROR(storage::LocalFileSystem().CreateDirectories(token_.directory()));
    is_published_ = true;
    return WriteMasterPage(
        page_path(), {.run = options_.run, .host = net::HostIdentity(), .addresses = addresses});
  }

  absl::StatusOr<MasterLocation> Locate() override {
    MasterLocation location{.may_be_old = !token_.is_users()};
    if (options_.master_address && options_.master_address->port != 0) {
      location.addresses = {*options_.master_address};
    } else {
      DIME_ASSIGN_OR_RETURN(const MasterPage page, ReadMasterPage(page_path()));
      if (page.run != options_.run) {
        return base::NotFound("{} is of another start of the job", page_path());
      }
      for (const net::Address& address : page.addresses) {
        if (address.kind == net::Address::Kind::kTcp) master_host_ = address.host;
        const bool is_socket = address.kind == net::Address::Kind::kUnix;
        if (!is_socket || page.host == net::HostIdentity()) location.addresses.push_back(address);
      }
    }
    DIME_ASSIGN_OR_RETURN(location.token, token_.Read());
    return location;
  }

  absl::StatusOr<std::vector<net::Address>> WhereToListen(const cluster::ReplicaId& /*replica*/,
                                                          const std::string& local_host) override {
    std::vector<net::Address> addresses = {NewSocket()};
    if (options_.is_on_one_host) return addresses;
    // Who has come to the master over a Unix socket is on its host.
    const std::string& host = local_host.empty() ? master_host_ : local_host;
    if (!host.empty()) addresses.push_back({.host = host});
    return addresses;
  }

 private:
  [[nodiscard]] std::string page_path() const {
    return storage::JoinPath(token_.directory(), "rendezvous");
  }

  const RankOptions options_;
  Token token_;
  std::string master_host_;  // As Locate() has found it.
  bool is_published_ = false;
};

}  // namespace

std::unique_ptr<Rendezvous> MakeDirectoryRendezvous(std::string directory) {
  return std::make_unique<DirectoryRendezvous>(std::move(directory));
}
std::unique_ptr<Rendezvous> MakeSpecRendezvous(cluster::ClusterSpec spec, TokenOptions token) {
  return std::make_unique<SpecRendezvous>(std::move(spec), std::move(token));
}
std::unique_ptr<Rendezvous> MakeRankRendezvous(RankOptions options) {
  return std::make_unique<RankRendezvous>(std::move(options));
}

}  // namespace dime::worker
