"""dime's parameter server beside ps-lite's and TensorFlow's, in turn, so that the ratios hold although the machine drifts.

Usage: compare_servers.py --dime DIME --ps-bench PS_BENCH [--ps-lite PSLITE_BENCH] [--tensorflow --data DATA] [--rounds 3]
ps-lite: a worker and a server (and ps-lite's scheduler) as processes of this host, the same tables, rows and optimizer;
medians of calls, then of rounds. TensorFlow: the census estimator, a chief and one server, cached batches, steady state; dime:
a master and one server, its input read as always.
"""
import argparse
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
# What ps-lite's program calls it, and ps_bench: microseconds a call.
CALLS = {"net_us": "BM_PushAndPullOfTheCensusNet", "small_us": "BM_RoundTrip", "push_us": "BM_SparsePush",
         "pull_us": "BM_SparsePull", "large_us": "BM_10MiB"}
TITLES = {"net_us": "75.7 KB of dense variables pushed and pulled", "small_us": "8 bytes pushed and pulled",
          "push_us": "400,000 rows of 8 floats pushed, Adagrad", "pull_us": "400,000 rows of 8 floats pulled",
          "large_us": "10 MiB pulled"}
ONE_SERVER = ["--scale-tier", "CUSTOM", "--master-machine-type", "standard", "--parameter-server-machine-type", "standard",
              "--parameter-server-count", "1"]
MODEL_STEPS = {40: (20000, 400), 512: (4000, 200)}  # dime's, TensorFlow's.


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [s.getsockname()[1] for s in sockets]


def dime_calls(args):
    command = [args.ps_bench, "--benchmark_format=json", "--benchmark_min_time=0.3", "--benchmark_repetitions=3",
               "--benchmark_report_aggregates_only=true"]
    done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    unit = {"ns": 1e-3, "us": 1.0, "ms": 1e3}
    times = {b["run_name"]: b["real_time"] * unit[b["time_unit"]] for b in done["benchmarks"]
             if b["aggregate_name"] == "median"}
    return {(call, kind): times[f"{name}/socket:{kind}/real_time"] for call, name in CALLS.items() for kind in (0, 1)}


def ps_lite_calls(args):
    environment = {**os.environ, "DMLC_NUM_SERVER": "1", "DMLC_NUM_WORKER": "1", "DMLC_PS_ROOT_URI": "127.0.0.1",
                   "DMLC_PS_ROOT_PORT": str(free_ports(1)[0]), "DMLC_NODE_HOST": "127.0.0.1"}
    processes = {role: subprocess.Popen([args.ps_lite], env={**environment, "DMLC_ROLE": role}, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
                 for role in ("scheduler", "server", "worker")}
    try:
        return json.loads(processes["worker"].communicate(timeout=120)[0])
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def compare_calls(args):
    rounds = [(dime_calls(args), ps_lite_calls(args)) for _ in range(args.rounds)]
    print(f"\n{'microseconds a call':48} {'Unix':>9} {'TCP':>9} {'ps-lite':>9} {'dime is':>9} {'(TCP)':>8}")
    for call, title in TITLES.items():
        unix, tcp, theirs = (statistics.median(times) for times in zip(
            *[(ours[call, 0], ours[call, 1], peer[call]) for ours, peer in rounds]))
        ratios = [statistics.median(peer[call] / ours[call, kind] for ours, peer in rounds) for kind in (0, 1)]
        print(f"{title:48} {unix:9.1f} {tcp:9.1f} {theirs:9.1f} {ratios[0]:8.1f}x {ratios[1]:7.1f}x", flush=True)


def tensorflow_steps(args, batch, steps):
    master, server = free_ports(2)
    cluster = {"chief": [f"127.0.0.1:{master}"], "ps": [f"127.0.0.1:{server}"]}
    tasks = {task: subprocess.Popen(
        [sys.executable, HERE / "tf_estimator.py", args.data, str(batch), str(steps), "cluster"],
        env={**os.environ, "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": task, "index": 0}})},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for task in ("ps", "chief")}
    try:
        return json.loads(tasks["chief"].communicate(timeout=300)[0].splitlines()[-1])["steps_per_second"]
    finally:
        for process in tasks.values():
            process.kill()
            process.wait()


def dime_steps(args, batch, steps, *flags):
    with tempfile.TemporaryDirectory(prefix="dime-bench-") as job_dir:
        command = [args.dime, "local", "train", "--format", "json", "--job-dir", job_dir, *ONE_SERVER, *flags, "--",
                   "--train-files", f"{args.data}/adult.data.csv", "--train-batch-size", str(batch), "--train-steps",
                   str(steps)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["steps_per_second"]


def compare_steps(args, batch):
    ours, theirs = MODEL_STEPS[batch]
    sides = {"dime": lambda: dime_steps(args, batch, ours), **{
        f"dime {' '.join(flags)}": lambda flags=flags: dime_steps(args, batch, ours, *flags) for flags in args.with_flags},
        "TensorFlow, a chief and one server": lambda: tensorflow_steps(args, batch, theirs)}
    rounds = [{name: measure() for name, measure in sides.items()} for _ in range(args.rounds)]
    print(f"\ncensus steps a second, batch {batch}: a master and one server")
    for name in sides:
        ratio = statistics.median(r[name] / r["TensorFlow, a chief and one server"] for r in rounds)
        print(f"{name:40} {statistics.median(r[name] for r in rounds):10.0f} {ratio:8.1f}x", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dime", required=True)
    parser.add_argument("--ps-bench", required=True)
    parser.add_argument("--ps-lite")
    parser.add_argument("--tensorflow", action="store_true")
    parser.add_argument("--data", default="data")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--with-flags", action="append", type=str.split, default=[],
                        help="a further side of dime's, with these flags")
    args = parser.parse_args()
    if args.ps_lite:
        compare_calls(args)
    if args.tensorflow:
        for batch in MODEL_STEPS:
            compare_steps(args, batch)


main()
