"""Strangers at a port of dime: its frames and handshake (ps/WIRE.md), what attackers make of them, and a small job to try it on.

Only the standard library; for strangers_test.py and bench/strangers.py.
"""
import hashlib
import hmac
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

HELLO, CHALLENGE, PROOF, WELCOME = 1, 2, 3, 4
TOKEN = hashlib.sha256(b"the token of a job under attack").hexdigest()
PATIENCE_S = 60  # For what takes a moment; machines under sanitizers are slow.


def _crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC32C = _crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC32C[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def frame(kind, payload=b"", length=None):
    """A frame whose sum is right; `length`: another one than its payload's."""
    header = b"dime" + struct.pack("<BBHIIQI", 2, kind, 0, len(payload) if length is None else length, 0, 1, 0)
    return header + struct.pack("<I", crc32c(header + payload)) + payload


def hello(role=1, index=99, asks_for_tls=0, nonce=None):
    return struct.pack("<IIII", role, index, 0, asks_for_tls) + (nonce or os.urandom(16))


def proof(token, greeting, challenge, who="client"):
    text = f"dime 1: the {who} knows the token".encode() + greeting + challenge
    return hmac.new(token.encode(), text, hashlib.sha256).digest()


class Peer:
    """A connection to a port of dime."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.sent = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.sent += data
        self.socket.sendall(data)

    def receive(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("closed")
            data += more
        return data

    def receive_frame(self):
        header = self.receive(32)
        return header[5], self.receive(struct.unpack_from("<I", header, 8)[0])

    def challenge(self, greeting):
        """Says hello: (what the server says, its proof)."""
        self.send(frame(HELLO, greeting))
        kind, payload = self.receive_frame()
        assert kind == CHALLENGE and len(payload) == 56, (kind, payload)
        return payload[:24], payload[24:]

    def authenticate(self, token=TOKEN, **who):
        greeting = hello(**who)
        challenge, theirs = self.challenge(greeting)
        assert theirs == proof(TOKEN, greeting, challenge, "server"), "the server does not know the token"
        self.send(frame(PROOF, proof(token, greeting, challenge)))
        kind, _ = self.receive_frame()
        assert kind == WELCOME, kind
        return self

    def is_refused(self):
        """Waits for the server to hang up."""
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:  # A reset.
            pass
        return True


def flood(ports, count):
    """Connects so many times, says something wrong, and goes."""
    garbage = [b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(100), frame(HELLO, hello()), frame(PROOF, os.urandom(32))]
    for i in range(count):
        with socket.create_connection(("127.0.0.1", ports[i % len(ports)]), timeout=PATIENCE_S) as stranger:
            try:
                stranger.sendall(garbage[i % len(garbage)])
            except OSError:
                pass


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Job:
    """A master, a worker and a server on TCP ports of this host, which train until they are stopped."""

    NAMES = ("ps", "worker", "master")

    def __init__(self, dime, directory, rows, more_words=()):
        self.directory = pathlib.Path(directory)
        self.job_dir = self.directory / "job"
        self.logs = {name: self.directory / f"{name}.log" for name in self.NAMES}
        token_file = self.directory / "the_token"
        token_file.touch(0o600)
        token_file.write_text(TOKEN + "\n")
        self.ports = dict(zip(self.NAMES, free_ports(3)))
        cluster = {name: [f"127.0.0.1:{port}"] for name, port in self.ports.items()}
        words = [dime, "replica", "--job-dir", self.job_dir, "--token-file", token_file, "--consistency", "sync",
                 "--micro-batches", "2", "--format", "json", "--export-name=", *more_words,
                 "--", "--train-files", rows, "--embedding-size=2", "--first-layer-size=8", "--train-steps", "1000000000"]
        self.processes = {}
        for name in self.NAMES:
            task = json.dumps({"cluster": cluster, "task": {"type": name, "index": 0}})
            with open(self.logs[name], "wb") as log, open(self.directory / f"{name}.out", "wb") as out:
                self.processes[name] = subprocess.Popen([str(w) for w in words], stdout=out, stderr=log,
                                                        env={**os.environ, "TF_CONFIG": task})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    def log(self, name):
        return self.logs[name].read_text(errors="replace")

    def wait_until(self, what, is_so):
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended with {process.returncode}: {self.log(name)}"
            assert time.monotonic() < deadline, f"{what} does not come: {[self.log(n) for n in self.NAMES]}"
            time.sleep(0.02)

    def wait_until_training(self):
        self.wait_until("training", lambda: (self.job_dir / "model.ckpt-0.index").exists())

    def stop(self):
        """Ends the job after a checkpoint; returns the master's result."""
        self.processes["master"].send_signal(signal.SIGTERM)
        for name, process in self.processes.items():
            code = process.wait(timeout=PATIENCE_S)
            expected = 128 + signal.SIGTERM if name == "master" else 0
            assert code == expected, f"{name} ended with {code}: {self.log(name)}"
        return json.loads((self.directory / "master.out").read_text())
