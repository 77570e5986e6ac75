#include "runtime/cluster/cluster_spec.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/support/status_matchers.h"

namespace dime::cluster {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StrEq;

void ExpectSpecRefused(const ClusterSpec& spec, const std::string& message) {
  EXPECT_THAT(CheckClusterSpec(spec),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
}

TEST(ReplicaAddressTest, HostsAreNamesAndAddressesOfBothKinds) {
  ASSERT_OK_AND_ASSIGN(const net::Address name,
                       ParseReplicaAddress("cmle-training-ps-e118e0f997-0:2222"));
  EXPECT_EQ(name.host, "cmle-training-ps-e118e0f997-0");
  EXPECT_EQ(name.port, 2222);
  ASSERT_OK_AND_ASSIGN(const net::Address ipv4, ParseReplicaAddress("10.0.0.1:65535"));
  EXPECT_EQ(ipv4.host, "10.0.0.1");
  ASSERT_OK_AND_ASSIGN(const net::Address ipv6, ParseReplicaAddress("[fe80::1]:1"));
  EXPECT_EQ(ipv6.host, "fe80::1");
}

TEST(ReplicaAddressTest, WhatIsNoAddressIsRefused) {
  for (const std::string text : {"", "a", ":1", "a:", "a:0", "a:65536", "a:1x", "a:-1", "a b:1",
                                 "[]:1", "::1:2", "[a", "a/b:1", "tcp://a:1", "[g::1]:1"}) {
    EXPECT_THAT(ParseReplicaAddress(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is no address")))
        << text;
  }
  EXPECT_THAT(ParseReplicaAddress(std::string(254, 'a') + ":1"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the host")));
}

TEST(ClusterSpecTest, EachReplicaHasItsAddress) {
  const ClusterSpec spec = {
      .master = "m:1", .workers = {"w:1", "w:2"}, .parameter_servers = {"p:1"}};
  EXPECT_OK(CheckClusterSpec(spec));
  EXPECT_EQ(spec.AddressOf({Role::kMaster, 0}), "m:1");
  EXPECT_EQ(spec.AddressOf({Role::kWorker, 1}), "w:2");
  EXPECT_EQ(spec.AddressOf({Role::kWorker, 2}), "");
  EXPECT_EQ(spec.AddressOf({Role::kWorker, -1}), "");
  EXPECT_EQ(spec.AddressOf({Role::kEvaluator, 0}), "");
  EXPECT_THAT(spec.AddressesOf(Role::kParameterServer), ElementsAre("p:1"));
  EXPECT_EQ(spec.Counts(), (RoleCounts{.masters = 1, .workers = 2, .parameter_servers = 1}));
}

TEST(ClusterSpecTest, AnEmptyOneIsAJobOfOneProcess) {
  EXPECT_OK(CheckClusterSpec({}));
  EXPECT_TRUE(ClusterSpec().empty());
  EXPECT_THAT(ClusterSpec().AddressesOf(Role::kMaster), IsEmpty());
}

TEST(ClusterSpecTest, WhatIsWrongIsSaidOfTheReplica) {
  ExpectSpecRefused({.master = "", .workers = {"w:1"}, .parameter_servers = {}}, "has no master");
  ExpectSpecRefused({.master = "m:1", .workers = {"w:1", "w"}, .parameter_servers = {}},
                    "worker-1: 'w' is no address");
  EXPECT_THAT(CheckClusterSpec({.master = "m:1", .workers = {"w:1"}, .parameter_servers = {"w:1"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StrEq("ps-0: 'w:1' is the address of worker-0 already")));
  ClusterSpec large = {.master = "m:1", .workers = {}, .parameter_servers = {}};
  for (int i = 0; i < kMaxReplicas; ++i) large.workers.push_back(fmt::format("w{}:1", i));
  ExpectSpecRefused(large, "10001 replicas; at most 10000 are allowed");
}

TEST(ClusterSpecTest, ALocalOneIsGcloudsBlockOfPorts) {
  const RoleCounts counts = {
      .masters = 1, .workers = kLocalWorkers, .parameter_servers = kLocalParameterServers};
  ASSERT_OK_AND_ASSIGN(const ClusterSpec spec, LocalClusterSpec(counts, kLocalStartPort));
  EXPECT_EQ(spec.master, "localhost:27182");
  EXPECT_THAT(spec.parameter_servers, ElementsAre("localhost:27183", "localhost:27184"));
  EXPECT_THAT(spec.workers, ElementsAre("localhost:27185", "localhost:27186"));
  EXPECT_OK(LocalClusterSpec(counts, 65531));
  EXPECT_THAT(LocalClusterSpec(counts, 65532),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StrEq("1 master, 2 workers, 2 parameter servers need 5 ports from "
                             "65532 on, and the last port there is is 65535")));
  EXPECT_THAT(LocalClusterSpec(counts, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("from 0 on")));
}

}  // namespace
}  // namespace dime::cluster
