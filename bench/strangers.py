"""How much training slows down while strangers attack its ports. Usage: bench/strangers.py [DIME] [SECONDS]

Three rounds of three stretches of one job (a master, a worker, a server; sync): undisturbed; with the same strangers knocking at a
port where nobody is, which costs what their own process takes of the processors; and with strangers at the ports of the master and
the server, saying something wrong. What dime itself loses is the third beside the second.
"""
import json
import multiprocessing
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "cluster"))
sys.dont_write_bytecode = True
from strangers import Job, flood, free_ports  # pylint: disable=wrong-import-position

ROUNDS = 3
CONNECTS = 10_000


def knock(ports, count):
    for i in range(count):
        with socket.socket() as stranger:
            stranger.connect_ex(("127.0.0.1", ports[i % len(ports)]))


def disturb(disturbance, ports, seconds):
    """CONNECTS connections, spread over the time."""
    pieces = 100
    start = time.monotonic()
    for piece in range(1, pieces + 1):
        disturbance(ports, CONNECTS // pieces)
        time.sleep(max(0.0, start + seconds * piece / pieces - time.monotonic()))


def disturbed_speed(disturbance, ports, metrics, seconds):
    strangers = multiprocessing.Process(target=disturb, args=(disturbance, ports, seconds))
    strangers.start()
    steps = speed(metrics, seconds)
    strangers.join()
    return steps


def steps_of(port):
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    return float(next(line for line in page.splitlines() if line.startswith("dime_global_step")).split()[-1])


def speed(port, seconds):
    first, start = steps_of(port), time.monotonic()
    time.sleep(seconds)
    return (steps_of(port) - first) / (time.monotonic() - start)


def main(dime=HERE.parent / "build/release/bin/dime", seconds="8"):
    length = float(seconds)
    with tempfile.TemporaryDirectory() as directory:
        rows = pathlib.Path(directory) / "rows.csv"
        subprocess.run([dime, "data", "synthetic", "--spec", "census", "--rows", "700", "--output", rows], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        metrics, nowhere = free_ports(2)
        with Job(dime, directory, rows, ["--metrics-port", str(metrics)]) as job:
            job.wait_until_training()
            time.sleep(2)
            rounds = []
            for _ in range(ROUNDS):
                quiet = speed(metrics, length)
                beside = disturbed_speed(knock, [nowhere], metrics, length)
                attacked = disturbed_speed(flood, [job.ports["ps"], job.ports["master"]], metrics, length)
                rounds.append((attacked / beside, attacked / quiet))
                print(json.dumps({"undisturbed_steps_per_s": round(quiet), "beside_strangers": round(beside),
                                  "attacked": round(attacked)}))
            job.stop()
    of_dime, in_all = (statistics.median(ratios) for ratios in zip(*rounds))
    print(f"{CONNECTS} connects of strangers in {length:.0f} s, {os.cpu_count()} processors, medians of {ROUNDS}: training keeps "
          f"{of_dime:.1%} of its speed beside the same strangers elsewhere, {in_all:.1%} of its speed without any")


if __name__ == "__main__":
    main(*sys.argv[1:])
