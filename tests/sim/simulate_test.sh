#!/usr/bin/env bash
# simulate_test.sh SIMULATE: the simulator finds bugs that are planted, and a seed replays.
set -euo pipefail

simulate=$1

fail() { echo "FAILED: $*" >&2; exit 1; }

# run_once WORKLOAD PLANT SEED: what it prints, but for the name of its directory.
run_once() {
  "$simulate" --workload "$1" --plant "$2" --seed "$3" | sed 's/dime-sim-[[:alnum:]]*//g'
}

# finds WORKLOAD PLANT TEXT: within the seeds that the tests run, and again from the seed alone.
finds() {
  local output seed replayed again
  output=$("$simulate" --workload "$1" --plant "$2" --seeds 2000) && fail "$2 is not found in $1"
  grep -q "FAILED: .*$3" <<<"$output" || fail "$2 is not found in $1 for what it is: $output"
  seed=$(grep -A2 "FAILED: .*$3" <<<"$output" | sed -n 's/.*--seed \([0-9]*\).*/\1/p' | head -1)
  replayed=$(run_once "$1" "$2" "$seed") && fail "seed $seed does not replay"
  grep -q "FAILED: .*$3" <<<"$replayed" || fail "seed $seed replays to something else: $replayed"
  again=$(run_once "$1" "$2" "$seed") || true
  [[ $again == "$replayed" ]] || fail "seed $seed differs from run to run: $replayed / $again"
  echo "$2: found, seed $seed"
}

# One seed is one history: whatever ran before it, in whichever process, told or not.
one=$("$simulate" --seeds 60 --jobs 1 --hashes | grep -v runs | sort)
two=$("$simulate" --seeds 60 --jobs 2 --hashes | grep -v runs | sort)
[[ $one == "$two" ]] || fail "histories differ: $(diff <(echo "$one") <(echo "$two"))"
for workload in counters checkpoints coordination; do
  for seed in 18 33 60; do
    alone=$("$simulate" --workload $workload --seed $seed --hashes --verbose 2>&1 | grep "^$workload $seed ")
    grep -qx "$alone" <<<"$one" || fail "$workload seed $seed differs alone: $alone"
  done
done

finds counters forgotten-push "were acknowledged"
finds counters repeated-push "were acknowledged"
finds checkpoints repeated-push "checkpoint has"
finds checkpoints unsynced-file "does not load"
finds coordination skipped-batch "was used 0 times"
