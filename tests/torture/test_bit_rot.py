"""Every bit that the disk loses is noticed: what is kept is the very value or a miss."""

from __future__ import annotations

import os
import random

from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, put

FLIPS = 10_000


def test_a_flipped_bit_of_a_blob_file_is_a_miss(rounds, tmp_path):
    root, dice = tmp_path / "cache", random.Random()
    sections = [os.urandom(17_000), b"ab", b"", os.urandom(65)]
    store = DiskStore(root)
    wanted = make_entry()
    address = put(store, wanted, *sections).blob.hex()
    path = root / "v1" / "blobs" / address[:2] / address
    size = path.stat().st_size
    # Every other one is in the head, the padding or the trailer.
    edges = [*range(1_024), *range(17_000, size)]
    for number in rounds(FLIPS, "flips"):
        entry = put(store, wanted, *sections)
        byte = dice.choice(edges) if number % 2 else dice.randrange(size)
        flip(path, byte, dice.randrange(8))
        reader = DiskStore(root)  # that has verified nothing yet
        if reader.load(entry) is not None or reader.get(entry.key) is not None:
            rounds.failed(f"byte {byte} of {size}")
        reader.close()
    store.close()


def test_a_flipped_bit_of_a_value_in_its_row_is_a_miss(rounds, tmp_path):
    store = DiskStore(tmp_path / "cache")
    sections = [os.urandom(100), b"", b"abc"]
    for number in rounds(FLIPS, "flips"):
        entry = put(store, make_entry(), *sections)
        damaged = bytearray(entry.inline)
        bit = number % (8 * len(damaged))
        damaged[bit // 8] ^= 1 << bit % 8
        with store._connections.writing() as connection:
            connection.execute(
                "UPDATE entries SET inline = ? WHERE key = ?", (bytes(damaged), entry.key)
            )
        found = store.get(entry.key)
        assert found != entry
        if load(store, found) is not None or store.get(entry.key) is not None:
            rounds.failed(f"bit {bit}")
    store.close()


def flip(path, byte, bit):
    with path.open("r+b") as stream:
        stream.seek(byte)
        (old,) = stream.read(1)
        stream.seek(byte)
        stream.write(bytes([old ^ 1 << bit]))
