// worker/coordination/job_files.h - what a job's master leaves in the job directory, so that the
// other replicas find it and nobody else does: the token, and where it listens.
//
// Files are their owner's alone (0600), and go with the object or are known to be old.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/secret.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"

namespace dime::worker {

// A new token in a file, for as long as the object lives. The file is locked meanwhile, so that
// what a killed master left is known as such.
class TokenFile {
 public:
  // kAborted: another master holds it.
  static absl::StatusOr<std::unique_ptr<TokenFile>> Create(const std::string& path);
  ~TokenFile();

  [[nodiscard]] const base::Secret& token() const { return token_; }

 private:
  TokenFile(std::string path, base::Secret token, int fd)
      : path_(std::move(path)), token_(std::move(token)), fd_(fd) {}

  const std::string path_;
  const base::Secret token_;
  const int fd_;
};

// kNotFound: it is not there (yet). kPermissionDenied: others than its owner may read it.
absl::StatusOr<base::Secret> ReadTokenFile(const std::string& path);

// Where a master listens.
struct MasterPage {
  std::string run;   // Which start of the job it is of; "" when nobody says.
  std::string host;  // net::HostIdentity() of the master.
  std::vector<net::Address> addresses;
};

absl::Status WriteMasterPage(const std::string& path, const MasterPage& page);
// kNotFound; kDataLoss for what is none.
absl::StatusOr<MasterPage> ReadMasterPage(const std::string& path);

}  // namespace dime::worker
