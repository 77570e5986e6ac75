"""What the interop tests share: running dime, skipping with a reason, comparing."""
import atexit
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77  # The exit code that ctest counts as skipped.


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(SKIPPED)


def data_dir():
    """The folder of the census files; skips the test when there is none."""
    folder = os.environ.get("DIME_CENSUS_DATA", "data")
    if not os.path.exists(f"{folder}/adult.data.csv"):
        skip(f"no census data in {folder} (dime data census --output {folder})")
    return folder


def scratch_dir():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dime-interop-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class Dime:
    """Runs the program that is tested."""

    def __init__(self, program):
        self._program = program

    def run(self, *args):
        command = [self._program, *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
        return done.stdout

    def train(self, job_dir, own=(), **flags):
        """dime local train with the sample's flags as keywords. Returns the JSON object it prints."""
        args = [text for name, value in flags.items() for text in ("--" + name.replace("_", "-"), value)]
        return json.loads(self.run("local", "train", "--format", "json", "--job-dir", job_dir, *own, "--", *args))

    def predict(self, export_dir, instances, kind="json"):
        """The predictions for a file of instances."""
        text = self.run("local", "predict", "--model-dir", export_dir, f"--{kind}-instances", instances,
                        "--format", "json", "--max-instances", "0", "--signature-name", "predict")
        return json.loads(text)["predictions"]


def check(condition, text):
    if not condition:
        raise AssertionError(text)
    print(f"ok: {text}")
