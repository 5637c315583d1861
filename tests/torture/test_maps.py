"""A value that is mapped from its blob stays whole, whatever others do with the store."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import make_entry, put


def remove(store, entry):
    store.remove([entry.key])


def replace(store, entry):
    put(store, make_entry(entry.key, generation=entry.generation + 1), b"other" * 90_000)


def replace_and_collect(store, entry):
    replace(store, entry)
    store.gc(grace=-1.0)


def forget_and_collect(store, entry):
    with store._connections.writing() as connection:
        connection.execute("DELETE FROM entries WHERE key = ?", (entry.key,))
    store.gc(grace=-1.0)


def damage_is_found(store, entry):
    path = Path(store._directory.blob(entry.blob.hex()))
    damaged = path.with_name("damaged")
    damaged.write_bytes(path.read_bytes()[:-40])
    damaged.replace(path)
    assert store.load(entry) is None


def publish_again(store, entry):
    remove(store, entry)
    put(store, make_entry(entry.key), b"new" * 200_000)


def trash_the_index(store, entry):
    with open(store._directory.index, "r+b") as stream:
        stream.write(os.urandom(8_000))
    store.get(entry.key)


DEEDS = [
    remove, replace, replace_and_collect, forget_and_collect, damage_is_found, publish_again,
    trash_the_index,
]  # fmt: skip


def test_a_mapped_value_stays_whole_whatever_becomes_of_its_file(rounds, child, tmp_path):
    store = DiskStore(tmp_path / "cache")
    for number in rounds(500, "deeds"):
        content = b"%010d" % random.randrange(10**9)
        entry = put(store, make_entry(), content * 60_000)
        holder = child("mapped.py", tmp_path / "cache", entry.key.hex())
        assert holder.answer() == "held", holder.errors()
        deed = DEEDS[number % len(DEEDS)]
        deed(store, entry)
        answer = holder.ask(content.decode())
        if answer != "whole":
            rounds.failed(f"{deed.__name__}: {answer}\n{holder.errors()}")
        holder.end()
    store.close()


def test_a_blob_that_is_cut_short_in_place_ends_who_has_it_mapped_and_nobody_else(
    rounds, child, tmp_path
):
    """The system's own limit: nothing of ours cuts a blob, so nothing is promised to its holder."""
    store = DiskStore(tmp_path / "cache")
    for _ in rounds(100, "cuts"):
        content = b"%010d" % random.randrange(10**9)
        entry = put(store, make_entry(), content * 60_000)
        holder = child("mapped.py", tmp_path / "cache", entry.key.hex())
        assert holder.answer() == "held", holder.errors()
        os.truncate(store._directory.blob(entry.blob.hex()), 5_000)
        assert holder.ask(content.decode()) == ""
        if holder.process.wait() != -signal.SIGBUS:
            rounds.failed(f"the holder ended with {holder.process.returncode}")
        if store.load(entry) is not None or store.get(entry.key) is not None:
            rounds.failed("a cut blob is no miss")
    store.close()
