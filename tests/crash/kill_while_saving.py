#!/usr/bin/env python3
"""Kills a job with SIGKILL at random moments while it saves, again and again, and goes on with it.

After each kill `dime doctor` has to find the job directory sound, and its newest checkpoint at least as new as the last
one that the job has acknowledged; the next run has to go on from just there. With --python some of these checkpoints are
also loaded by TensorFlow. The directory's files must not become more from run to run.

Usage: kill_while_saving.py DIME [--cluster] [--kills N] [--seed S] [--python PYTHON_WITH_TENSORFLOW]
"""
import argparse
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

ACKNOWLEDGED = re.compile(r"checkpoint of step (\d+)")
GOES_ON = re.compile(r"(?:going on|training) from step (\d+)")
KEPT = 3
LONGEST_WAIT = 120  # [s] For a run to save; many times what it takes.
LONGEST_DEATH = 5  # [s] Until nothing of a killed job runs.
LATEST_KILL = 0.25  # [s] After a run's first checkpoint, or its start.
LOADED_BY_TENSORFLOW = 5
LOAD = """
import sys, tensorflow as tf
for prefix in sys.argv[1:]:
    reader = tf.train.load_checkpoint(prefix)
    names = reader.get_variable_to_shape_map()
    assert sum(reader.get_tensor(name).size for name in names) > 100
    print(prefix, reader.get_tensor("global_step"))
"""


class Crashes:
    def __init__(self, options, folder):
        self._options = options
        self._folder = folder
        self._job_dir = folder / "job"
        self._log = folder / "log"
        self._random = random.Random(options.seed)
        self._acknowledged = -1
        self._tried_by_tensorflow = 0
        self.figures = {"kills": 0, "resumed from an acknowledged step": 0, "resumed from a newer one": 0,
                        "with a half checkpoint": 0, "loaded by TensorFlow": 0}

    def prepare(self):
        subprocess.run([self._options.dime, "data", "synthetic", "--spec", "census", "--rows", "600",
                        "--output", self._folder / "rows.csv"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def _command(self):
        cluster = ["--distributed", "--worker-count=2", "--parameter-server-count=2"] if self._options.cluster else []
        steps = 40 if self._options.cluster else 20
        return [self._options.dime, "local", "train", "--job-dir", self._job_dir, "--verbosity", "debug",
                "--export-name=", "--threads=1", f"--max-checkpoints={KEPT}", f"--checkpoint-steps={steps}", *cluster,
                "--", "--train-files", self._folder / "rows.csv", "--train-steps", "1000000000",
                "--embedding-size=2", "--first-layer-size=8"]

    def kill_once(self):
        """One run, from its start to its death."""
        with open(self._log, "w", encoding="utf8") as log:
            job = subprocess.Popen(self._command(), stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)
        try:
            self._await_saving(job)
            time.sleep(self._random.uniform(0, LATEST_KILL))
        finally:
            if job.poll() is None:
                os.killpg(job.pid, signal.SIGKILL)
            job.wait()
        self.figures["kills"] += 1
        start = GOES_ON.search(self._text())
        if start and self._acknowledged >= 0 and int(start.group(1)) != self._acknowledged:
            raise AssertionError(f"doctor said {self._acknowledged}, and the job is {start.group(0)}")
        steps = [int(step) for step in ACKNOWLEDGED.findall(self._text())]
        self._acknowledged = max([self._acknowledged, *steps])

    def _text(self):
        return self._log.read_text(encoding="utf8")

    def _await_saving(self, job):
        """Until it has acknowledged one; some runs are killed before that, where they are just beginning."""
        if self._acknowledged >= 0 and self._random.random() < 0.2:
            return
        deadline = time.monotonic() + LONGEST_WAIT
        while not ACKNOWLEDGED.search(self._text()):
            if job.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the job has not come to save:\n{self._text()}")
            time.sleep(0.002)

    def examine(self):
        names = os.listdir(self._job_dir) if self._job_dir.exists() else []
        if self._acknowledged < 0 and not names:
            return
        report = self._report_of_doctor()
        step = -1 if report["resume_step"] is None else report["resume_step"]
        if not report["sound"] or report["running"] or step < self._acknowledged:
            raise AssertionError(f"acknowledged: {self._acknowledged}; doctor:\n{json.dumps(report, indent=2)}")
        newer = step > self._acknowledged
        self.figures["resumed from a newer one" if newer else "resumed from an acknowledged step"] += 1
        self._acknowledged = step
        self.figures["with a half checkpoint"] += any(
            finding["condition"] == "leftover" and finding["name"].startswith("model.ckpt-")
            for finding in report["findings"])
        bundles = [name for name in names if name.endswith(".index")]
        if len(bundles) > KEPT + 2:  # One that is not named yet, and one that is to be deleted.
            raise AssertionError(f"{len(bundles)} checkpoints, of which {KEPT} are to be kept: {sorted(names)}")

    def _report_of_doctor(self):
        """What it says once the killed processes are gone, of which all but the first are not ours to wait for."""
        deadline = time.monotonic() + LONGEST_DEATH
        while True:
            done = subprocess.run([self._options.dime, "doctor", self._job_dir, "--format", "json"],
                                  capture_output=True, text=True, timeout=LONGEST_WAIT)
            if done.returncode != 0:
                raise AssertionError(f"doctor: exit code {done.returncode}\n{done.stdout}{done.stderr}")
            report = json.loads(done.stdout)
            if not report["running"] or time.monotonic() > deadline:
                return report

    def load_with_tensorflow(self):
        """Some of the kills: the newest checkpoint as TensorFlow sees it."""
        every = max(1, self._options.kills // LOADED_BY_TENSORFLOW)
        if not self._options.python or self.figures["kills"] % every != 0 or self._acknowledged < 0:
            return
        state = (self._job_dir / "checkpoint").read_text(encoding="utf8")
        name = re.search(r'^model_checkpoint_path: "(.*)"', state).group(1)
        done = subprocess.run([self._options.python, "-c", LOAD, self._job_dir / name], capture_output=True, text=True,
                              timeout=LONGEST_WAIT, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
        if done.returncode != 0:
            raise AssertionError(f"TensorFlow cannot load {name}:\n{done.stderr}")
        self.figures["loaded by TensorFlow"] += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dime")
    parser.add_argument("--cluster", action="store_true", help="2 workers and 2 servers beside the master")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--python", default=os.environ.get("DIME_PYTHON"), help="a Python that has TensorFlow")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dime-crash-") as folder:
        crashes = Crashes(options, pathlib.Path(folder))
        crashes.prepare()
        start = time.monotonic()
        try:
            for _ in range(options.kills):
                crashes.kill_once()
                crashes.examine()
                crashes.load_with_tensorflow()
        except AssertionError as error:
            print(f"FAILED after {crashes.figures['kills']} kills with seed {options.seed}: {error}")
            return 1
        figures = ", ".join(f"{count} {what}" for what, count in crashes.figures.items())
        print(f"ok: {figures}; {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
