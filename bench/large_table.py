"""One table of many rows over several parameter servers: it trains, checkpoints, and goes on with other numbers of servers.

Usage: large_table.py --dime DIME [--rows 100000000] [--dim 16] [--servers 4,2,7] [--limit-gib 24] [--directory DIR]
A model of one crossed column, whose embedding is the table, with Adagrad: 8 * dim bytes a row. Prints for each number of
servers the seconds of the whole job and of its phases, the memory of all its processes together at its highest (what they
share counted once), and the checkpoint's size. Fails when a job does, or takes more memory than the limit.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

MODEL = """
input:
  separator: "\\t"
  fields:
    - {{name: label, type: integer}}
{counts}
{categories}
label: {{field: label, num_classes: 2}}
columns:
  C1: {{kind: hash_bucket, buckets: 10000}}
  C3_X_C4: {{kind: crossed, keys: [C3, C4], buckets: {rows}}}
  C3_X_C4_embedding: {{kind: embedding, source: C3_X_C4, dimension: {dim}}}
estimator:
  kind: DNNLinearCombinedClassifier
  linear_columns: [C1]
  dnn_columns: [C3_X_C4_embedding]
  hidden_units: [32]
  loss_reduction: sum
  dnn_optimizer: {{kind: adagrad, learning_rate: 0.01}}
  linear_optimizer: {{kind: ftrl, learning_rate: 0.1}}
training:
  train_steps: 1000
  train_batch_size: 512
"""


def model_text(rows, dim):
    return MODEL.format(rows=rows, dim=dim,
                        counts="\n".join(f"    - {{name: I{i}, type: integer, default: -100}}" for i in range(1, 14)),
                        categories="\n".join(f"    - {{name: C{i}, type: string}}" for i in range(1, 27)))


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def memory_of(pid):
    """Bytes of a process and its children; pages that several share are divided among them."""
    total = 0
    for process in [pid, *children_of(pid)]:
        try:
            with open(f"/proc/{process}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
        except OSError:
            pass
    return total


def run(command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = 0

    def watch():
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid))
            time.sleep(.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output = process.communicate()[0]
    watcher.join()
    if process.returncode != 0:
        raise SystemExit(f"exit code {process.returncode}: {' '.join(command)}")
    return json.loads(output), peak


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dime", required=True)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--servers", default="4,2,7")
    parser.add_argument("--limit-gib", type=float, default=24)
    parser.add_argument("--directory", default=None, help="a file system with room for two checkpoints")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dime-large-", dir=args.directory) as scratch:
        folder = pathlib.Path(scratch)
        (folder / "model.yaml").write_text(model_text(args.rows, args.dim))
        subprocess.run([args.dime, "data", "synthetic", "--spec", "clicks", "--rows", "200000", "--output",
                        folder / "train.tsv", "--format", "json"], check=True, stdout=subprocess.DEVNULL)
        for number, servers in enumerate(args.servers.split(",")):
            steps = 200 * (number + 1)
            start = time.perf_counter()
            result, peak = run([args.dime, "local", "train", "--format", "json", "--job-dir", str(folder / "job"), "--model",
                                str(folder / "model.yaml"), "--scale-tier", "CUSTOM", "--master-machine-type", "standard",
                                "--parameter-server-machine-type", "standard", "--parameter-server-count", servers,
                                "--max-checkpoints", "1", "--", "--train-files", str(folder / "train.tsv"),
                                "--train-batch-size", "512", "--train-steps", str(steps)])
            size = sum(file.stat().st_size for file in (folder / "job").glob("model.ckpt-*"))
            print(f"{servers} servers, step {result['first_step']} to {result['global_step']}: "
                  f"{time.perf_counter() - start:.1f} s {json.dumps(result['seconds'])}, "
                  f"{peak / 2**30:.1f} GiB at most, checkpoint {size / 2**30:.1f} GiB", flush=True)
            if peak > args.limit_gib * 2**30:
                raise SystemExit(f"more than {args.limit_gib} GiB")
            if result["global_step"] != steps or result["first_step"] != steps - 200:
                raise SystemExit("the steps are not those that were asked for")


main()
