"""What lies on shelves that others write to: nothing of it is decoded unless a member wrote it."""

from __future__ import annotations

import mmap
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.redis_outages import out_of_reach

from stagecache.codecs import codec, decode, register_codec
from stagecache.codecs.chunks import CHUNK, join
from stagecache.errors import DecodeError, StagecacheWarning
from stagecache.stores.disk import DiskStore
from stagecache.stores.memory import MemoryStore
from stagecache.stores.shared.envelope import closed
from stagecache.stores.shared.fields import said_of
from stagecache.stores.shared.keyring import Keyring
from stagecache.stores.shared.opening import open_shelf
from stagecache.stores.shared.redis import MOST, RedisShelf
from stagecache.stores.shared.store import INLINE_LIMIT, SharedStore
from stagecache.stores.tiered import Tiered
from stagecache.testing.shelves import MemoryShelf
from stagecache.testing.stores import load, make_entry, put

OURS, THEIRS = Keyring([b"o" * 32]), Keyring([b"t" * 32])
TEAM = {"namespace": "team", "keyring": OURS, "allow_pickle": True}
LARGE = INLINE_LIMIT + 100


class Spy:
    """A codec that counts whom it is asked to decode."""

    name = "spy"
    safe = False

    def __init__(self) -> None:
        self.calls = 0

    def accepts(self, value):
        return False

    def encode(self, value):
        raise NotImplementedError

    def decode(self, sections):
        self.calls += 1
        return [bytes(section) for section in sections]


def decoded(store, key):
    """Return the value under `key` as a reader gets it, or None."""
    entry = store.get(key)
    sections = None if entry is None else store.load(entry)
    if sections is None:
        return None
    return decode(entry.codec, sections, private=store.vouches_for(entry))


def names_of(store, entry):
    """Return the names that an entry and its value lie under."""
    return [store._name(entry.key), *([store._large.name(entry.blob)] if entry.blob else [])]


def forgeries(data: bytes, others: dict[str, bytes], random: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what somebody could put in the place of `data`."""
    for at in range(len(data)):
        if at > 300 and at % 997 and at < len(data) - 100:  # of a long value only some bytes
            continue
        for bit in range(8):
            yield (
                f"bit {bit} of byte {at}",
                data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :],
            )
    for size in [*range(min(300, len(data))), *range(len(data) - 100, len(data)), len(data) // 2]:
        yield f"the first {size} bytes", data[:size]
        yield f"all but the first {size} bytes", data[size:]
    yield "a byte more", data + b"\0"
    yield "twice", data + data
    for name, other in others.items():
        yield f"the bytes under {name}", other
    for word, instead in ((b"spy", b"npy"), (b"project:stage", b"project:other")):
        yield f"{instead!r}", data.replace(word, instead)
    yield "nothing", b""
    yield "noise", random


@pytest.mark.parametrize("size", [100, LARGE], ids=["small", "large"])
def test_a_forged_shared_value_is_never_decoded(rounds, size):
    spy = Spy()
    register_codec(spy)
    shelf = MemoryShelf()
    store = SharedStore(shelf, **TEAM)
    value = os.urandom(size)
    entry = put(store, make_entry(codec="spy"), value)
    assert decoded(store, entry.key) == [value]
    others = {}
    for label, ring, namespace in (
        ("another key", OURS, "team"), ("another namespace", OURS, "mates"),
        ("a stranger's name", THEIRS, "team"), ("nobody's name", None, "team"),
    ):  # fmt: skip
        there = MemoryShelf()
        other = SharedStore(there, namespace=namespace, keyring=ring, allow_pickle=True)
        if ring is None:
            views = [memoryview(value)]
            pieces = closed(store._name(entry.key), said_of(entry), views, None)
            others[label] = b"".join(pieces)
            continue
        same = put(
            other, make_entry(None if label == "another key" else entry.key, codec="spy"), value
        )
        for name in names_of(other, same):
            others[f"{label} {name}"] = bytes(there.get([name])[name])
    tried = [
        (name, label, data)
        for name in names_of(store, entry)
        for label, data in forgeries(
            bytes(shelf.get([name])[name]),
            others | {n: bytes(shelf.get([n])[n]) for n in names_of(store, entry) if n != name},
            os.urandom(300),
        )
    ]
    originals = {name: bytes(shelf.get([name])[name]) for name in names_of(store, entry)}
    reader = SharedStore(shelf, **TEAM, role="reader")
    spy.calls = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StagecacheWarning)
        for number in rounds(len(tried), "forgeries", least=len(tried)):
            name, label, data = tried[number]
            if data == originals[name]:
                continue
            shelf.put(name, [data], seconds=None, replace=True)
            if decoded(reader, entry.key) is not None or spy.calls:
                rounds.failed(f"{label} in place of {name}")
                spy.calls = 0
            shelf.put(name, [originals[name]], seconds=None, replace=True)
    assert decoded(reader, entry.key) == [value]


class Evil:
    """What touches the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return Path.touch, (self.canary,)


def payloads(canary: Path):
    """Yield the codec that an entry says, and its sections."""
    for name in ("pickle", "cloudpickle"):
        for size in (0, LARGE):
            sections = codec(name).encode([Evil(canary), bytes(size)])
            for label in (
                name,
                f"{name}+zstd",
                f"{name}+lz4",
                "plain",
                "array",
                "arrow",
                "parquet",
            ):
                yield label, sections
            yield CHUNK, join([(name, sections)])


def test_no_planted_pickle_on_a_redis_runs(rounds, redis_server, tmp_path):
    canary = tmp_path / "canary"
    kinds = list(payloads(canary))
    for label, sections in kinds:  # the traps are set
        if label == "pickle":
            decode(label, [memoryview(part).cast("B") for part in sections], private=True)
            assert canary.exists()
            canary.unlink()
    shelf = open_shelf(redis_server.url)
    readers = [
        SharedStore(shelf, namespace="team"),
        SharedStore(shelf, namespace="team", allow_pickle=True),
        SharedStore(shelf, namespace="team", keyring=OURS),
        SharedStore(shelf, **TEAM),
    ]
    writers = [
        SharedStore(shelf, namespace="team", keyring=THEIRS, allow_pickle=True),
        SharedStore(shelf, namespace="team"),
    ]
    writers[1].private = True  # whoever attacks keeps to no rule
    count = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StagecacheWarning)
        for number in rounds(20 * len(kinds), "plantings", least=4 * len(kinds)):
            label, sections = kinds[number % len(kinds)]
            entry = put(writers[number % 2], make_entry(codec=label), *sections)
            assert entry.has_value
            for reader in readers:
                count += 1
                try:
                    found = decoded(reader, entry.key)
                except DecodeError:
                    found = None
                if found is not None or canary.exists():
                    rounds.failed(f"{label} for {reader.private}")
                    canary.unlink(missing_ok=True)
    rounds.note(f"{count} payloads read")
    assert count >= 500
    shelf.close()


WRITING = (
    "set",
    "unlink",
    "del",
    "expire",
    "pexpire",
    "getset",
    "setnx",
    "psetex",
    "setex",
    "mset",
)


def test_a_reader_never_sends_a_write(rounds, own_redis_server):
    server = own_redis_server()
    writer = SharedStore(open_shelf(server.url), **TEAM)
    reader = SharedStore(open_shelf(server.url), **TEAM, role="reader")
    kept = [put(writer, make_entry(), bytes(size)) for size in (10, LARGE)]
    damaged = put(writer, make_entry(), bytes(LARGE + 1))
    shelf = open_shelf(server.url)
    for name in names_of(writer, damaged):
        data = bytes(shelf.get([name])[name])
        shelf.put(name, [data[:-1] + bytes([data[-1] ^ 1])], seconds=None, replace=True)
    assert server.ask("CONFIG RESETSTAT").startswith(b"+OK")
    calls = [
        lambda: reader.get(kept[0].key),
        lambda: reader.load(kept[1]),
        lambda: reader.load(damaged),
        lambda: reader.get_many([entry.key for entry in (*kept, damaged, make_entry())]),
        lambda: put(reader, make_entry(), b"mine"),
        lambda: put(reader, make_entry(), bytes(LARGE)),
        lambda: put(reader, make_entry(kept[0].key, generation=9)),
        lambda: put(reader, make_entry(damaged.key), bytes(LARGE)),
        lambda: reader.remove([kept[0].key]),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StagecacheWarning)
        for number in rounds(1_000, "calls", least=1_000):
            calls[number % len(calls)]()
    seen = server.ask("INFO commandstats").decode()
    assert "cmdstat_get:" in seen
    for word in WRITING:
        if f"cmdstat_{word}:" in seen:
            rounds.failed(f"the server saw {word}")
    for each in (writer, reader, shelf):
        each.close()


def test_an_outage_costs_a_second_and_no_exception(rounds, own_redis_server):
    server = own_redis_server()
    slowest = 0.0
    for number in rounds(60, "outages of 1,000 calls"):
        how = ("killed", "paused", "dropping")[number % 3]
        store = SharedStore(open_shelf(server.url), **TEAM)
        entry = put(store, make_entry(), b"value")
        large = put(store, make_entry(), bytes(LARGE))
        with out_of_reach(server, how), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            started = time.monotonic()
            for call in range(250):
                try:
                    found = [
                        store.get(entry.key),
                        store.load(large),
                        store.get_many([entry.key]) or None,
                        put(store, make_entry(), b"value" if call % 2 else bytes(LARGE)).blob,
                    ]
                except Exception as error:
                    rounds.failed(f"{how}: {error!r}")
                    break
                if found != [None] * 4:
                    rounds.failed(f"{how}: {found}")
                    break
            seconds = time.monotonic() - started
        slowest = max(slowest, seconds)
        told = [str(warning.message) for warning in caught]
        if seconds > 1 or len(told) != 1:
            rounds.failed(f"{how}: {seconds:.2f} s, {told}")
        store.close()
    rounds.note(f"{slowest:.2f} s at most")


def test_a_value_that_no_redis_takes_is_kept_here_and_is_no_outage(
    rounds, own_redis_server, tmp_path
):
    server = own_redis_server()
    shared = SharedStore(RedisShelf(server.url, limit=MOST), **TEAM)
    disk = DiskStore(tmp_path / "cache")
    tiers = Tiered(MemoryStore(), [disk, shared])
    huge = mmap.mmap(-1, 600 << 20)
    told = 0
    for number in rounds(3, "values of 600 MB", least=1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            entry = put(tiers, make_entry(), huge, b"%d" % number)
        told += len(caught)
        found = tiers.load(tiers.get(entry.key))
        if found is None or [len(section) for section in found] != [600 << 20, 1]:
            rounds.failed("it is not kept on this machine")
        if shared.get(entry.key) is not None:
            rounds.failed("it is shared")
        small = put(shared, make_entry(), b"small")
        if load(shared, small) != [b"small"] or shared._entries._breaker.is_open:
            rounds.failed("the shelf is left alone")
        del found
        tiers.remove([entry.key])
    assert told == 1
    tiers.close()
