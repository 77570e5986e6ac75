#!/usr/bin/env bash
# Tests the hosts that tests of several hosts use: they are there, they hear each other, and they are gone afterwards.
set -euo pipefail
hosts=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/netns_hosts
fail() { echo "FAIL: $*"; exit 1; }

"$hosts" 1 true || exit $?  # 77: skipped, and the reason was printed.

[[ $("$hosts" 3 sh -c 'hostname; hostname -I; $NETNS_RSH node3 hostname; $NETNS_RSH -x node3 "hostname -I; exit"' | xargs) == \
  "node1 10.77.0.1 node3 10.77.0.3" ]] || fail "hosts have no names and addresses of their own"
[[ $(echo read | "$hosts" 1 cat) == read ]] || fail "the command does not get what comes in"
SECRET=1 "$hosts" 2 sh -c '! $NETNS_RSH node2 env | grep SECRET' || fail "the environment got to another host"

code=0
"$hosts" 1 sh -c 'exit 7' || code=$?
[[ $code == 7 ]] || fail "the command's exit code was lost: $code"

readonly CONNECT='import socket, sys
server = socket.create_server(("10.77.0.1", 0))
server.settimeout(30)
import subprocess
peer = subprocess.Popen(sys.argv[1:] + [f"exec 3<>/dev/tcp/10.77.0.1/{server.getsockname()[1]} && echo hello >&3"])
print(server.accept()[0].recv(5).decode()); sys.exit(peer.wait())'
[[ $("$hosts" 2 python3 -c "$CONNECT" sh -c '$NETNS_RSH node2 "bash -c '"'"'$0'"'"'"') == hello ]] || fail "hosts do not hear each other"

# Whatever it leaves running goes with it.
read -r prefix pid <<<"$("$hosts" 2 sh -c 'echo -n "$NETNS_PREFIX "; $NETNS_RSH node2 "sleep 1000 </dev/null >/dev/null 2>&1 & echo \$!"')"
[[ ! -e /proc/$pid ]] || [[ $(awk '{ print $3 }' "/proc/$pid/stat") == Z ]] || fail "process $pid lives on"
! ip netns list | grep -q "^$prefix-" || fail "namespaces are left"

if command -v mpirun >/dev/null; then
  [[ $("$hosts" 3 mpirun -np 3 hostname 2>/dev/null | sort | xargs) == "node1 node2 node3" ]] || fail "mpirun does not reach all hosts"
fi
echo "OK"
