"""Listens to all that passes an interface of this host; when it is ended, says how many of dime's frames (ps/WIRE.md) could be read.

Usage: overhear.py INTERFACE       (as root; "ready" is said once it listens)
"""
import re
import signal
import socket
import sys

FRAME = re.compile(rb"dime\x02([\x01-\xff])")
LAST_OF_HANDSHAKE = 4


def main(interface):
    counts = {"handshake": 0, "other": 0}

    def report(*_):
        print(f"{counts['handshake']} frames of handshakes, {counts['other']} others", flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, report)
    every_protocol = socket.htons(3)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, every_protocol) as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        ear.bind((interface, 0))
        print("ready", flush=True)
        while True:
            for kind in FRAME.findall(ear.recv(1 << 17)):
                counts["handshake" if kind[0] <= LAST_OF_HANDSHAKE else "other"] += 1


if __name__ == "__main__":
    main(sys.argv[1])
