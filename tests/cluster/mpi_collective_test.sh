#!/usr/bin/env bash
# Tests the MPI plug-in with real ranks, on this host and on several. Usage: mpi_collective_test.sh PROGRAM
set -euo pipefail
program=$1
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
fail() { echo "FAIL: $*"; exit 1; }

command -v mpirun >/dev/null || { echo "SKIP: there is no mpirun (Debian package openmpi-bin)"; exit 77; }
[[ -e $(dirname "$program")/../lib/dime/libdime_mpi.so ]] || { echo "SKIP: dime was built without MPI (Debian package libopenmpi-dev)"; exit 77; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
output=$(mktemp)
trap 'rm -f "$output"' EXIT
ranks() { timeout 100 mpirun --oversubscribe --bind-to none -np "$1" "$program" "$2" >"$output" 2>&1; }
expect_in_output() { grep -qF "$1" "$output" || { cat "$output"; fail "not said: $1"; }; }

for count in 1 2 3 5; do
  ranks "$count" sums || { cat "$output"; fail "$count ranks have other sums"; }
done
ranks 4 server || { cat "$output"; fail "three ranks and a server have other sums"; }

code=0
ranks 3 missing || code=$?
[[ $code == 3 ]] || { cat "$output"; fail "exit code $code where a rank does not come"; }
expect_in_output "has waited 200 ms for worker-1 (rank 2), which does not come"

code=0
ranks 3 dies || code=$?
[[ $code == 137 ]] || { cat "$output"; fail "exit code $code where a rank dies"; }

# Several hosts, where they can be made.
code=0
"$here/netns_hosts" 3 timeout 100 mpirun -np 3 "$program" sums >"$output" 2>&1 || code=$?
[[ $code == 0 ]] || grep '^SKIP: ' "$output" | sed 's/^SKIP: /not on several hosts: /' || { cat "$output"; fail "three hosts have other sums"; }
echo "OK"
