// The plug-in library libdime_mpi.so: the only part of dime that is linked with MPI.
#include "worker/collective/mpi_plugin.h"

#include <mpi.h>

#include <chrono>
#include <cstdio>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/spin.h"

namespace {

using Clock = std::chrono::steady_clock;

MPI_Comm members = MPI_COMM_NULL;

struct ErrorText {
  char* data;
  size_t size;

  int Fail(const char* what, const std::string& why) const {
    std::snprintf(data, size, "%s: %s", what, why.c_str());
    return kDimeMpiFailed;
  }
  int Fail(const char* what, int code) const {
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    MPI_Error_string(code, text, &length);
    return Fail(what, std::string(text, static_cast<size_t>(length)));
  }
};

// MPI moves on only when it is called. Soon after the start it is called again and again, giving
// way to others; what takes longer is worth a sleep.
template <typename Test>
bool AwaitUntil(const Test& test, Clock::time_point deadline) {
  constexpr std::chrono::microseconds kSpin{300};
  constexpr std::chrono::microseconds kSleep{50};
  if (dime::base::SpinUntil(test, kSpin)) return true;
  while (!test()) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kSleep);
  }
  return true;
}

// What goes to other members and comes from them, until it is there or given up.
class Transfer {
 public:
  Transfer(const DimeMpiPeer* peers, ErrorText error) : peers_(peers), error_(error) {}

  int Start() {
    int own = 0;
    int size = 0;
    MPI_Comm_rank(members, &own);
    MPI_Comm_size(members, &size);
    for (int r = 0; r < size; ++r) {
      const int64_t count = peers_[r].num_incoming;
      if (r != own && count > 0 && !StartOne(r, count, /*is_receive=*/true)) return kDimeMpiFailed;
    }
    num_receives_ = requests_.size();
    for (int r = 0; r < size; ++r) {
      const int64_t count = peers_[r].num_outgoing;
      if (r != own && count > 0 && !StartOne(r, count, /*is_receive=*/false)) return kDimeMpiFailed;
    }
    statuses_.resize(requests_.size());
    return kDimeMpiOk;
  }

  int Await(Clock::time_point deadline, int* missing_rank) {
    int code = MPI_SUCCESS;
    const auto is_over = [&] {
      int all_done = 0;
      code = MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all_done,
                         statuses_.data());
      return all_done != 0 || code != MPI_SUCCESS;
    };
    if (!AwaitUntil(is_over, deadline)) {
      *missing_rank = ranks_[FirstMissing()];
      return kDimeMpiMissing;
    }
    return code == MPI_SUCCESS ? CheckSizes() : Explain(code, missing_rank);
  }

 private:
  bool StartOne(int rank, int64_t count, bool is_receive) {
    if (count > std::numeric_limits<int>::max()) {
      error_.Fail("too many values for a message of MPI", std::to_string(count));
      return false;
    }
    const auto size = static_cast<int>(count);
    constexpr int kTag = 0;  // Messages of two ranks come in the order in which they were sent.
    MPI_Request request;
    const int code =
        is_receive
            ? MPI_Irecv(peers_[rank].incoming, size, MPI_FLOAT, rank, kTag, members, &request)
            : MPI_Isend(peers_[rank].outgoing, size, MPI_FLOAT, rank, kTag, members, &request);
    if (code != MPI_SUCCESS) {
      error_.Fail("MPI cannot start a message", code);
      return false;
    }
    ranks_.push_back(rank);
    requests_.push_back(request);
    return true;
  }

  // MPI_Testall() completes all or none.
  size_t FirstMissing() {
    for (size_t i = 0; i < requests_.size(); ++i) {
      int done = 0;
      MPI_Test(&requests_[i], &done, MPI_STATUS_IGNORE);
      if (done == 0) return i;
    }
    return 0;
  }

  int Explain(int code, int* missing_rank) {
    for (size_t i = 0; i < statuses_.size() && code == MPI_ERR_IN_STATUS; ++i) {
      const int error = statuses_[i].MPI_ERROR;
      if (error == MPI_SUCCESS || error == MPI_ERR_PENDING) continue;
      *missing_rank = ranks_[i];
      code = error;
    }
    return error_.Fail("MPI", code);
  }

  int CheckSizes() {
    for (size_t i = 0; i < num_receives_; ++i) {
      const int64_t expected = peers_[ranks_[i]].num_incoming;
      int count = 0;
      MPI_Get_count(&statuses_[i], MPI_FLOAT, &count);
      if (count == expected) continue;
      return error_.Fail("a message of another size",
                         std::to_string(count) + " values in place of " + std::to_string(expected));
    }
    return kDimeMpiOk;
  }

  const DimeMpiPeer* peers_;
  ErrorText error_;
  std::vector<int> ranks_;  // Of each request.
  std::vector<MPI_Request> requests_;
  size_t num_receives_ = 0;  // They stand in front.
  std::vector<MPI_Status> statuses_;
};

int Start(int is_member, int key, char* error, size_t error_size) {
  const ErrorText text{error, error_size};
  int level = MPI_THREAD_SINGLE;
  int code = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level);
  if (code != MPI_SUCCESS) return text.Fail("MPI does not start", code);
  if (level < MPI_THREAD_SERIALIZED) {
    return text.Fail("MPI does not start", "it cannot be used by programs with threads");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  code = MPI_Comm_split(MPI_COMM_WORLD, is_member != 0 ? 0 : MPI_UNDEFINED, key, &members);
  if (code != MPI_SUCCESS) return text.Fail("MPI cannot group the replicas", code);
  if (members != MPI_COMM_NULL) MPI_Comm_set_errhandler(members, MPI_ERRORS_RETURN);
  return kDimeMpiOk;
}

int Rank() {
  int rank = -1;
  if (members != MPI_COMM_NULL) MPI_Comm_rank(members, &rank);
  return rank;
}

int Size() {
  int size = 0;
  if (members != MPI_COMM_NULL) MPI_Comm_size(members, &size);
  return size;
}

int Exchange(const DimeMpiPeer* peers, int64_t patience_ms, int* missing_rank, char* error,
             size_t error_size) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(patience_ms);
  Transfer transfer(peers, {error, error_size});
  const int started = transfer.Start();
  return started == kDimeMpiOk ? transfer.Await(deadline, missing_rank) : started;
}

int Finish(int64_t patience_ms, char* error, size_t error_size) {
  const ErrorText text{error, error_size};
  const auto deadline = Clock::now() + std::chrono::milliseconds(patience_ms);
  MPI_Request barrier;
  int code = MPI_Ibarrier(MPI_COMM_WORLD, &barrier);
  const auto is_over = [&] {
    int done = 0;
    if (code == MPI_SUCCESS) code = MPI_Test(&barrier, &done, MPI_STATUS_IGNORE);
    return done != 0 || code != MPI_SUCCESS;
  };
  if (!AwaitUntil(is_over, deadline)) {
    text.Fail("MPI", "not all processes have come to their end");
    return kDimeMpiMissing;
  }
  if (code == MPI_SUCCESS && members != MPI_COMM_NULL) code = MPI_Comm_free(&members);
  if (code == MPI_SUCCESS) code = MPI_Finalize();
  return code == MPI_SUCCESS ? kDimeMpiOk : text.Fail("MPI does not end", code);
}

const DimeMpi kInterface = {kDimeMpiVersion, Start, Rank, Size, Exchange, Finish};

}  // namespace

extern "C" __attribute__((visibility("default"))) const DimeMpi* dime_mpi(void) {
  return &kInterface;
}
