"""A job whose ports strangers attack while it trains: all are refused, and the job does not notice.

Usage: strangers_test.py DIME PRINT_VARIABLES
"""
import contextlib
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time

from strangers import HELLO, PROOF, TOKEN, Job, Peer, flood, frame, hello, proof

NUM_CONNECTS = 10_000
MAX_STRANGERS = 64
MAX_GROWTH_KIB = 8 << 10
EXCHANGE, READ, JOIN, REPORT = 16, 20, 64, 96
MASTERS_ALONE = (25, 27, 30, 32, 34, 35, 37, 38)
REFUSED = 18


def expect_refused(port, name, attack):
    with Peer(port) as peer:
        try:
            attack(peer)
        except OSError:  # It may be sent away in the middle.
            pass
        assert peer.is_refused(), f"port {port} tolerates {name}"


def wrong_token(peer):
    greeting = hello()
    challenge, _ = peer.challenge(greeting)
    peer.send(frame(PROOF, proof("another token of enough bytes", greeting, challenge)))


def reflection(peer):
    """Sends the server's own proof back."""
    _, theirs = peer.challenge(hello())
    peer.send(frame(PROOF, theirs))


def reflection_over_another_connection(port):
    def attack(peer):
        with Peer(port) as other:
            challenge, _ = peer.challenge(hello())
            _, theirs = other.challenge(hello(nonce=challenge[:16]))
            peer.send(frame(PROOF, theirs))
    return attack


def byte_by_byte(peer):
    """Never comes to an end of its hello."""
    for byte in frame(HELLO, hello()):
        peer.send(bytes([byte]))
        time.sleep(0.5)


def garbage_for_tls(peer):
    peer.authenticate(asks_for_tls=1)
    peer.send(os.urandom(500))


def replay(port):
    with Peer(port) as honest:
        recorded = honest.authenticate().sent
    return lambda peer: peer.send(recorded)


def attacks_of_strangers(port):
    lengths = {f"an announced length of {n}": (lambda peer, n=n: peer.send(frame(HELLO, b"", n)))
               for n in (1, 4097, 2**31, 2**32 - 1)}
    return {
        "random bytes": lambda peer: peer.send(os.urandom(1000)),
        "an empty hello": lambda peer: peer.send(frame(HELLO)),
        "a request without a handshake": lambda peer: peer.send(frame(EXCHANGE, bytes(48))),
        "a proof without a challenge": lambda peer: peer.send(frame(PROOF, bytes(32))),
        "a wrong token": wrong_token,
        "a replayed handshake": replay(port),
        "a reflected proof": reflection,
        "a proof of another connection": reflection_over_another_connection(port),
        "half a hello": lambda peer: peer.send(frame(HELLO, hello())[:40]),
        "silence": lambda peer: None,
        "a byte at a time": byte_by_byte,
        "garbage where TLS begins": garbage_for_tls,
        **lengths,
    }


def attacks_with_the_token():
    """What a replica that is out of its mind may send to the server, and to the master's coordinator."""
    counts = struct.pack("<QQQQQIHH", 0, 0, 0, 1, 0, 0, 99, 0)
    both = {f"type {kind} of {length} bytes": frame(kind, b"", length)
            for kind in (EXCHANGE, JOIN) for length in (2**31, 2**32 - 1)}
    both["an empty exchange"] = frame(EXCHANGE)
    both["a second hello"] = frame(HELLO, hello())
    both["an unknown type"] = frame(200)
    return {
        "ps": {**both,
               "counts that overflow": frame(EXCHANGE, counts + b"\xff" * 64),
               "rows that overflow": frame(READ, struct.pack("<IIQQ", 0, 0, 2**63, 2**64 - 1))},
        "master": {**both,
                   "texts that overflow": frame(JOIN, struct.pack("<Q", 2**64 - 1) * 4),
                   "a report of who has not joined": frame(REPORT, b"\xff" * 64)},
    }


def is_sanitized(pid):
    return re.search(r"lib[at]san", pathlib.Path(f"/proc/{pid}/maps").read_text()) is not None


def resident_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def num_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def listening_addresses(pid):
    """Where a process listens on TCP, as /proc has it: hexadecimal address and port."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}")))
    found = []
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                found.append(words[1])
    return found


def mappings(pid):
    """(first, end, flags) of each piece of memory."""
    span, pieces = None, []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if place := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            span = int(place[1], 16), int(place[2], 16)
        elif line.startswith("VmFlags:"):
            pieces.append((*span, line.split()[1:]))
    return pieces


def check_memory(name, pid):
    """The token is in memory, but nowhere where a core dump would take it along."""
    token, found = TOKEN.encode(), 0
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for first, end, flags in mappings(pid):
            if "rd" not in flags:
                continue
            with contextlib.suppress(OSError, ValueError, OverflowError):
                memory.seek(first)
                if token in memory.read(end - first):
                    assert "dd" in flags, f"the token is in {name}'s memory at {first:x}, which core dumps have"
                    found += 1
    assert found > 0, f"the token was not found in {name}'s memory: this test sees nothing"


def check_secrets(job):
    for name, process in job.processes.items():
        for file in ("cmdline", "environ"):
            assert TOKEN.encode() not in pathlib.Path(f"/proc/{process.pid}/{file}").read_bytes(), f"{file} of {name}"
        if is_sanitized(process.pid):
            print(f"not looked for in the memory of {name}: it has a sanitizer")
            continue
        try:
            check_memory(name, process.pid)
        except PermissionError as error:
            print(f"not looked for in the memory of {name}: {error}")


def check_files(job):
    """Nothing that the job has left has the token; its own file is the user's."""
    files = [path for path in job.directory.rglob("*") if path.is_file() and path.name != "the_token"]
    assert any("events.out" in path.name for path in files), files
    for path in files:
        assert TOKEN.encode() not in path.read_bytes(), f"the token is in {path}"


def check_listeners(job):
    for name, process in job.processes.items():
        expected = [] if name == "worker" else [f"0100007F:{job.ports[name]:04X}"]
        assert listening_addresses(process.pid) == expected, f"{name}: {listening_addresses(process.pid)}"


def check_masters_messages(port):
    for kind in MASTERS_ALONE:
        with Peer(port) as worker:
            worker.authenticate(role=1, index=1)
            worker.send(frame(kind))
            answer, payload = worker.receive_frame()
            assert answer == REFUSED and b"the master's alone" in payload, (kind, answer, payload)


def attack(job):
    """All kinds at once, then the flood; returns what descriptors and memory were at most."""
    threads = []
    failures = []

    def run(*args):
        try:
            expect_refused(*args)
        except Exception as error:  # pylint: disable=broad-except
            failures.append(f"{args[1]}: {error!r}")

    holders = attacks_with_the_token()
    for target in ("ps", "master"):
        port = job.ports[target]
        for name, action in attacks_of_strangers(port).items():
            threads.append(threading.Thread(target=run, args=(port, name, action)))
        for name, message in holders[target].items():
            action = lambda peer, message=message: peer.authenticate().send(message)
            threads.append(threading.Thread(target=run, args=(port, name, action)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    flood([job.ports["ps"], job.ports["master"]], NUM_CONNECTS)


def check_half_open(job):
    """More silent connections than are let in: those wait, and a replica gets its turn all the same."""
    pid = job.processes["ps"].pid
    before = num_descriptors(pid)
    silent = [Peer(job.ports["ps"]) for _ in range(MAX_STRANGERS + 30)]
    with Peer(job.ports["ps"]) as honest:
        honest.authenticate()
        assert num_descriptors(pid) <= before + MAX_STRANGERS + 1, num_descriptors(pid)
    for stranger in silent:
        assert stranger.is_refused()
        stranger.socket.close()


def check_logs(job, seconds):
    for name in ("ps", "master"):
        lines = [line for line in job.log(name).splitlines() if "a connection was ended" in line]
        assert 1 <= len(lines) <= 2 + seconds / 10, f"{len(lines)} lines of {name} in {seconds:.0f} s: {lines[:5]}"


def variables(program, checkpoint):
    return subprocess.run([program, checkpoint], check=True, capture_output=True).stdout


def main(dime, print_variables):
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        rows = scratch / "rows.csv"
        subprocess.run([dime, "data", "synthetic", "--spec", "census", "--rows", "700", "--output", rows], check=True,
                       capture_output=True)
        (scratch / "attacked").mkdir()
        with Job(dime, scratch / "attacked", rows) as job:
            job.wait_until_training()
            check_listeners(job)
            check_secrets(job)
            start = time.monotonic()
            flood(list({job.ports["ps"], job.ports["master"]}), 100)  # What is made once is made.
            before = {n: (resident_kib(p.pid), num_descriptors(p.pid)) for n, p in job.processes.items()}
            attack(job)
            check_masters_messages(job.ports["ps"])
            check_half_open(job)
            for name, process in job.processes.items():
                slack = 32 if is_sanitized(process.pid) else 1  # Which keep what was freed.
                growth = resident_kib(process.pid) - before[name][0]
                print(f"{name}: {growth} KiB more, {num_descriptors(process.pid) - before[name][1]} descriptors more")
                assert growth < MAX_GROWTH_KIB * slack, f"{name} has grown by {growth} KiB"
                job.wait_until("the end of strangers",
                               lambda n=name, p=process: num_descriptors(p.pid) <= before[n][1] + 1)
            check_logs(job, time.monotonic() - start)
            steps = job.stop()["global_step"]
            check_files(job)
        print(f"{steps} steps under attack")
        subprocess.run([dime, "local", "train", "--job-dir", scratch / "alone", "--micro-batches", "2", "--export-name=",
                        "--", "--train-files", rows, "--embedding-size=2", "--first-layer-size=8",
                        "--train-steps", str(steps)], check=True, capture_output=True)
        assert (variables(print_variables, scratch / f"attacked/job/model.ckpt-{steps}") ==
                variables(print_variables, scratch / f"alone/model.ckpt-{steps}")), "strangers have changed the result"
    print("OK")


if __name__ == "__main__":
    main(*sys.argv[1:])
