"""From the census CSV to ids: dime beside pandas, in turn, on one processor.

Usage: compare_input.py --bench build/release/bench/input_bench --data data [--rounds 5] [--mib 64] [--cpus 0]
Prints the median MB/s of each side, and the median of dime's ratio to it, round by round.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
DIME = "dime: text to ids"


def run(command, cpus):
    done = subprocess.run(["taskset", "-c", cpus, *map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--cpus", default="0", help="the processor that both sides may use, as taskset takes it")
    args = parser.parse_args()
    csv = f"{args.data}/adult.data.csv"

    rounds = []
    for _ in range(args.rounds):
        parts = run([args.bench, "--data", csv, "--mib", args.mib, "--rounds", 3, "--json"], args.cpus)
        sides = {DIME: next(part["mb_per_second"] for part in parts if part["part"] == "text to ids")}
        sides.update(run([sys.executable, HERE / "pandas_read.py", csv, args.mib, 3], args.cpus)[0])
        rounds.append(sides)
    print(f"{'':40} {'MB/s':>8} {'dime is':>8}")
    for name in rounds[0]:
        ratios = [sides[DIME] / sides[name] for sides in rounds]
        print(f"{name:40} {statistics.median(sides[name] for sides in rounds):8.0f} {statistics.median(ratios):7.1f}x")


main()
