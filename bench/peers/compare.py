"""dime and its peers at the same work, in turn, so that the ratios hold although the machine's speed drifts.

Usage: compare.py --dime build/release/bin/dime --data data [--rounds 3] [--batches 40,512,4096]
Prints, for each batch size, the median steps a second of each side and the median of dime's ratio to it, round by round:
on one core with one thread, then on the whole machine, where a peer may have one thread or one a core, whichever is faster
there; then the seconds of whole jobs (start, read, 1000 steps of 40, evaluate, checkpoint, export).
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
STEPS = {40: (20000, 2000), 512: (4000, 600), 4096: (600, 120)}  # dime's, its peers': about a second each, and more.


def run(command, cpus):
    environment = {**os.environ, "OPENBLAS_CORETYPE": "SkylakeX"}
    done = subprocess.run(["taskset", "-c", cpus, *map(str, command)], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise SystemExit(f"{command}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def dime_job(args, batch, steps, cpus, own=(), **flags):
    job_dir = tempfile.mkdtemp(prefix="dime-bench-")
    command = [args.dime, "local", "train", "--format", "json", "--job-dir", job_dir, *own, "--",
               "--train-files", f"{args.data}/adult.data.csv", "--train-batch-size", batch, "--train-steps", steps]
    for name, value in flags.items():
        command += ["--" + name.replace("_", "-"), value]
    try:
        return run(command, cpus)
    finally:
        shutil.rmtree(job_dir, ignore_errors=True)


def best_of(measure, thread_counts):
    return max((measure(threads) for threads in thread_counts), key=lambda result: result["steps_per_second"])


def sides(args, batch, cpus, thread_counts):
    ours, theirs = STEPS.get(batch, (1000, 200))
    python = sys.executable
    return {
        "dime local train": lambda: dime_job(args, batch, ours, cpus),
        # Its sessions have a thread for each core that they may use.
        "TensorFlow estimator, cached batches": lambda: run([python, HERE / "tf_estimator.py", args.data, batch, theirs], cpus),
        "TensorFlow loop in one tf.function":
            lambda: best_of(lambda n: run([python, HERE / "tf_loop.py", args.data, batch, theirs, n], cpus), thread_counts),
        "PyTorch": lambda: best_of(lambda n: run([python, HERE / "torch_step.py", batch, theirs, n], cpus), thread_counts),
    }


def compare_steps(args, batch, cpus, thread_counts):
    measures = sides(args, batch, cpus, thread_counts)
    rounds = {name: [] for name in measures}
    for _ in range(args.rounds):
        for name, measure in measures.items():
            rounds[name].append(measure()["steps_per_second"])
    report(f"Whole training step, batch {batch}, processors {cpus}", "steps/s", rounds, "dime local train",
           lambda a, b: a / b)


def report(title, unit, rounds, ours, better):
    print(f"\n{title}\n{'':38} {unit:>12} {'dime is':>10}")
    for name in rounds:
        ratios = [better(a, b) for a, b in zip(rounds[ours], rounds[name])]
        print(f"{name:38} {statistics.median(rounds[name]):12.2f} {statistics.median(ratios):9.2f}x", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dime", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", default="40,512,4096")
    args = parser.parse_args()

    everything = f"0-{os.cpu_count() - 1}"
    batches = [int(batch) for batch in args.batches.split(",")]
    for batch in batches:
        compare_steps(args, batch, "0", [1])
    for batch in batches:
        compare_steps(args, batch, everything, sorted({1, os.cpu_count()}))

    jobs = {
        "dime": lambda: dime_job(args, 40, 1000, everything, eval_files=f"{args.data}/adult.test.csv", eval_steps=0),
        "TensorFlow estimator": lambda: run([sys.executable, HERE / "tf_estimator.py", args.data, 40, 1000, "whole"],
                                            everything),
    }
    rounds = {name: [] for name in jobs}
    for _ in range(args.rounds):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            rounds[name].append(time.perf_counter() - start)
    report(f"Whole job, 1000 steps of 40, processors {everything}", "seconds", rounds, "dime", lambda a, b: b / a)


main()
