// worker/coordination/rendezvous.h - the three ways in which replicas find their master; all else
// is the same for all jobs.
//
// Threads: one at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/secret.h"
#include "runtime/base/status.h"
#include "runtime/cluster/cluster_spec.h"
#include "runtime/cluster/replica.h"
#include "runtime/net/address.h"
#include "worker/coordination/member.h"

namespace dime::worker {

class Rendezvous {
 public:
  virtual ~Rendezvous() = default;

  // The master's: what the others have to know, where it is to listen, and to tell them so, once it
  // does.
  virtual absl::StatusOr<base::Secret> MakeToken() = 0;
  virtual absl::StatusOr<std::vector<net::Address>> WhereMasterListens() = 0;
  virtual absl::Status Publish(const std::vector<net::Address>& addresses) = 0;

  // The others': where the master may be by now; for MemberOptions::locate.
  virtual absl::StatusOr<MasterLocation> Locate() = 0;
  // Where a replica is to listen; `local_host` is Member::local_host().
  virtual absl::StatusOr<std::vector<net::Address>> WhereToListen(
      const cluster::ReplicaId& replica, const std::string& local_host) = 0;
};

// All replicas are on this host, and share a directory that nobody else may enter. The token is
// there before they are.
[[nodiscard]] std::unique_ptr<Rendezvous> MakeDirectoryRendezvous(std::string directory);

// How replicas get the job's token that do not share a private directory.
struct TokenOptions {
  std::string job_dir;  // The master makes one there,
  std::string file;     // unless this one is there already; "": no.
};

// Every replica was told all addresses (TF_CONFIG).
[[nodiscard]] std::unique_ptr<Rendezvous> MakeSpecRendezvous(cluster::ClusterSpec spec,
                                                             TokenOptions token);

struct RankOptions {
  TokenOptions token;
  std::string run;             // Which start of the job this is; "" when nobody says.
  bool is_on_one_host = true;  // Then nobody listens on a port.
  // Where the master is to listen, if it is not to choose; port 0: any. With a port it needs no
  // page in the job directory.
  std::optional<net::Address> master_address = {};
};
// Replicas are ranks, who know their number alone (mpirun, srun): the master leaves a page in the
// job directory.
[[nodiscard]] std::unique_ptr<Rendezvous> MakeRankRendezvous(RankOptions options);

}  // namespace dime::worker
