// worker/collective/mpi_plugin.h - what dime asks of its MPI plug-in, lib/dime/libdime_mpi.so.
//
// A C interface, so that dime itself needs no MPI: the plug-in is opened only when it is asked for
// (mpi_collective.h). Functions are for one thread at a time. What fails returns kDimeMpiFailed, or
// kDimeMpiMissing and which rank is missing, and writes why into `error`.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { kDimeMpiVersion = 1 };  // Of this file.
enum { kDimeMpiOk = 0, kDimeMpiFailed = 1, kDimeMpiMissing = 2 };

// Floats that go to a rank, and those that come from it.
typedef struct {
  const float* outgoing;
  int64_t num_outgoing;
  float* incoming;
  int64_t num_incoming;
} DimeMpiPeer;

typedef struct {
  int32_t version;  // kDimeMpiVersion; whoever finds another one stops reading here.

  // Initializes MPI, which all processes of the launch have to do; waits for them. Members then
  // exchange values, numbered from 0 in the order of their keys.
  int (*start)(int is_member, int key, char* error, size_t error_size);
  // Of the members.
  int (*rank)(void);
  int (*size)(void);
  // With all other members at once: peers[r] is for rank r. Those with nothing are left out.
  int (*exchange)(const DimeMpiPeer* peers, int64_t patience_ms, int* missing_rank, char* error,
                  size_t error_size);
  // Waits for all processes of the launch, and ends MPI.
  int (*finish)(int64_t patience_ms, char* error, size_t error_size);
} DimeMpi;

// The one symbol of the plug-in.
#define DIME_MPI_ENTRY "dime_mpi"
const DimeMpi* dime_mpi(void);

#ifdef __cplusplus
}
#endif
