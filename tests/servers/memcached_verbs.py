"""The verbs of memcached's text protocol that a shelf uses, for machines without memcached."""

from __future__ import annotations

import socketserver
import sys
import threading
import time

MOST = 1 << 20
MONTH = 30 * 86400

values: dict[bytes, tuple[bytes, bytes, float]] = {}
lock = threading.Lock()


def stands(name: bytes) -> bool:
    return name in values and values[name][2] > time.time()


class Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while line := self.rfile.readline():
            verb, *words = line.split()
            answer = getattr(self, f"on_{verb.decode()}", None)
            self.wfile.write(b"ERROR\r\n" if answer is None else answer(*words))

    def on_get(self, *names: bytes) -> bytes:
        with lock:
            found = [(name, *values[name][:2]) for name in names if stands(name)]
        lines = [b"VALUE %b %b %d\r\n%b\r\n" % (n, f, len(v), v) for n, f, v in found]
        return b"".join(lines) + b"END\r\n"

    def on_set(self, *words: bytes) -> bytes:
        return self.store(*words, replace=True)

    def on_add(self, *words: bytes) -> bytes:
        return self.store(*words, replace=False)

    def store(self, name: bytes, flags: bytes, end: bytes, size: bytes, *, replace: bool) -> bytes:
        value = self.rfile.read(int(size) + 2)[:-2]
        if len(value) + len(name) + 50 > MOST:
            return b"SERVER_ERROR object too large for cache\r\n"
        seconds = int(end)
        with lock:
            if not replace and stands(name):
                return b"NOT_STORED\r\n"
            ends = seconds + (time.time() if seconds <= MONTH else 0) if seconds else float("inf")
            values[name] = (flags, value, ends)
        return b"STORED\r\n"

    def on_delete(self, name: bytes) -> bytes:
        with lock:
            was_there = stands(name)
            values.pop(name, None)
        return b"DELETED\r\n" if was_there else b"NOT_FOUND\r\n"

    def on_flush_all(self) -> bytes:
        with lock:
            values.clear()
        return b"OK\r\n"


class Verbs(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


if __name__ == "__main__":
    with Verbs(("127.0.0.1", int(sys.argv[1])), Connection) as server:
        server.serve_forever()
