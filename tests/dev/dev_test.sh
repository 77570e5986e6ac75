#!/usr/bin/env bash
# ./dev and its arguments, in a folder of its own where building, packages and dime are stand-ins that do nothing.
# Usage: dev_test.sh PATH_OF_DEV
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

clone=$scratch/clone
mkdir -p "$clone/build/release/bin" "$scratch/bin" "$scratch/elsewhere"
cp "$1" "$clone/dev"
touch "$clone/build/release/build.ninja"
stand_in() { printf '#!/bin/sh\n%s\n' "$2" >"$1"; chmod +x "$1"; }
stand_in "$scratch/bin/dpkg-query" 'printf installed'
for name in apt-get cmake ctest ninja xargs; do stand_in "$scratch/bin/$name" "echo $name >>$scratch/started"; done
stand_in "$clone/build/release/bin/dime" 'echo "dime $*"'
export PATH=$scratch/bin:$PATH
unset CI

fail() { echo "$*"; exit 1; }

# ends STATUS TEXT ARG ...: ./dev ARG ... ends with the status, and what it prints holds the text.
ends() {
  local status=0 output
  output=$("$clone/dev" "${@:3}" 2>&1) || status=$?
  [[ $status == "$1" ]] || fail "./dev ${*:3}: ended with $status, not $1: $output"
  [[ $output == *"$2"* ]] || fail "./dev ${*:3}: no '$2' in: $output"
}

for command in setup build census test bench format lint; do
  ends 0 "$command" --help
  ends 0 "  $command" "$command" --help
  ends 0 "  $command" "$command" -h
done
ends 64 "unknown command 'tset'" tset
for command in setup test format lint; do
  ends 64 "'$command' takes no '--bogus'" "$command" --bogus
done
ends 64 "no preset 'bogus'" build bogus
[[ ! -e $scratch/started ]] || fail "help or a wrong command line started: $(cat "$scratch/started")"

ends 0 "--eval-steps 0 --verbosity INFO --train-steps 5 --train-batch-size 8" census --train-steps 5 --train-batch-size 8
ends 0 "--job-dir output/census_1 " census

ln -s "$clone/dev" "$scratch/elsewhere/dev"
"$scratch/elsewhere/dev" census 2>&1 | grep -q '^dime local train' || fail "./dev does not work through a link"
[[ $(ls "$scratch/elsewhere") == dev ]] || fail "./dev works in the folder of a link to it"
