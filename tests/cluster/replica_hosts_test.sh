#!/usr/bin/env bash
# Tests jobs whose replicas are on several hosts, under mpirun and TF_CONFIG: the bytes of one process, the ports that are
# listened on, what can be overheard, and a host that is cut off.
#
# Usage: replica_hosts_test.sh DIME PRINT_VARIABLES
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
hosts=$here/netns_hosts
DIME=$(readlink -f "$1")
PRINT_VARIABLES=$(readlink -f "$2")
fail() { echo "FAIL: $*"; exit 1; }

"$hosts" 1 true || exit $?  # 77: skipped, and the reason was printed.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
"$DIME" data synthetic --spec census --rows 700 --output rows.csv >/dev/null

words() {  # JOB STEPS
  echo "--job-dir $scratch/$1 --export-name= --micro-batches 5 -- --train-files $scratch/rows.csv --embedding-size 2 \
    --first-layer-size 8 --train-steps $2"
}
same_bytes() {  # JOB STEPS
  cmp <("$PRINT_VARIABLES" "$1/model.ckpt-$2") <("$PRINT_VARIABLES" "one/model.ckpt-$2") || fail "$1 wrote other bytes"
}
# Ports on which dime listens on a host: one a line.
readonly LISTENING='ss -Hltnp | awk "/dime/ { print \$4 }"'

# shellcheck disable=SC2046  # Words.
"$DIME" local train $(words one 40) >/dev/null 2>&1
readonly CLUSTER="--consistency sync --distributed --worker-count 1 --parameter-server-count 1"

if command -v mpirun >/dev/null; then
  "$hosts" 3 mpirun -np 3 "$DIME" replica $CLUSTER $(words ranks 40) >log 2>&1 || fail "mpirun: $(cat log)"
  same_bytes ranks 40
  "$hosts" 3 mpirun -np 3 "$DIME" replica --master-address 10.77.0.1:7777 $CLUSTER $(words named 40) >log 2>&1 ||
    fail "mpirun with --master-address: $(cat log)"
  same_bytes named 40
  if [[ -e $(dirname "$DIME")/../lib/dime/libdime_mpi.so ]]; then
    "$hosts" 3 mpirun -np 3 "$DIME" replica $CLUSTER --dense allreduce $(words mpi 40) >log 2>&1 || fail "allreduce by MPI: $(cat log)"
    same_bytes mpi 40
  fi
else
  echo "without mpirun: there is none (Debian package openmpi-bin)"
fi

# Each replica on the address that TF_CONFIG names, and on no other.
tf_config() {  # TYPE
  echo "{\"cluster\": {\"master\": [\"10.77.0.1:2222\"], \"worker\": [\"10.77.0.2:2222\"], \"ps\": [\"10.77.0.3:2222\"]}," \
    "\"task\": {\"type\": \"$1\", \"index\": 0}}"
}
replica() {  # HOST TYPE JOB STEPS
  echo "\$NETNS_RSH $1 \"TF_CONFIG='$(tf_config "$2" | sed 's/"/\\"/g')' $DIME replica --consistency sync $(words "$3" "$4")\""
}
cat >spec.sh <<EOT
$(replica node3 ps spec 40) & $(replica node2 worker spec 40) & $(replica node1 master spec 40) || exit
wait
EOT
"$hosts" 3 sh spec.sh >log 2>&1 || fail "TF_CONFIG: $(cat log)"
same_bytes spec 40

# The same with training replicas that sum dense gradients themselves.
sed 's/--consistency sync/--dense allreduce/g; s/spec/summed/g' spec.sh >summed.sh
"$hosts" 3 sh summed.sh >log 2>&1 || fail "allreduce under TF_CONFIG: $(cat log)"
same_bytes summed 40

# What they say to each other nobody overhears beyond the handshake, unless that is asked for.
for mode in auto insecure; do
  cat >heard.sh <<EOT
python3 -B $here/overhear.py eth0 >$scratch/heard & ear=\$!
until grep -q ready $scratch/heard; do sleep 0.05; done
$(sed "s/--consistency sync/--transport-security $mode &/g; s/spec/$mode/g; /^wait/d" spec.sh)
kill \$ear; wait
EOT
  "$hosts" 3 sh heard.sh >log 2>&1 || fail "--transport-security $mode: $(cat log)"
  same_bytes "$mode" 40
  grep -qE '^[1-9][0-9]* frames of handshakes' heard || fail "nothing was overheard, not even handshakes: $(cat heard log)"
  case $mode in
    auto) grep -q ', 0 others' heard || fail "between hosts frames are in the clear: $(cat heard)" ;;
    insecure)
      grep -qE ', [1-9][0-9]* others' heard || fail "this test hears nothing: $(cat heard)"
      grep -q "whoever is between the hosts can read" log || fail "insecure is not warned of: $(cat log)" ;;
  esac
done

# A host whose cable is pulled ends the job within seconds, with the name of what was there.
cat >cut.sh <<EOT
$(replica node3 ps cut 100000000) & $(replica node2 worker cut 100000000) &
$(replica node1 master cut 100000000) & master=\$!
while [ ! -e $scratch/cut/model.ckpt-0.index ]; do sleep 0.05; done
for node in node1 node3; do \$NETNS_RSH \$node '$LISTENING'; done >$scratch/ports
\$NETNS_CUT node3 down
wait \$master
EOT
code=0
timeout 60 "$hosts" 3 sh cut.sh >log 2>&1 || code=$?
[[ $code == 69 ]] || fail "a cut host ended the job with $code: $(cat log)"
grep -q "ps-0" log || fail "a cut host is not named: $(cat log)"
if command -v ss >/dev/null; then
  [[ $(xargs <ports) == "10.77.0.1:2222 10.77.0.3:2222" ]] || fail "listened on: $(xargs <ports)"
fi
echo "OK"
