"""The index is disposable: whatever becomes of it, values are right, and valid blobs come back."""

from __future__ import annotations

import os
import random
import shutil
import time
from contextlib import suppress

import apsw
import pytest

from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, put

SMALL, LARGE = 60, 8


@pytest.fixture
def filled(tmp_path):
    """A closed store's root, and what it keeps: key -> value, of small and of large results."""
    root = tmp_path / "cache"
    store = DiskStore(root)
    small = {put(store, make_entry(), value := os.urandom(80)).key: value for _ in range(SMALL)}
    large = {put(store, make_entry(), value := os.urandom(17_000)).key: value for _ in range(LARGE)}
    store.close()
    shutil.copy(root / "v1" / "index.db", tmp_path / "whole.db")
    return root, small, large


def lay_out(root):
    for path in (root / "v1").glob("index.db*"):
        path.unlink()
    shutil.copy(root.parent / "whole.db", root / "v1" / "index.db")


def look(root, wanted):
    """Return how many of `wanted` a process that comes later finds; fail if a value is wrong."""
    store = DiskStore(root)
    try:
        found = 0
        for _ in range(2):  # what is damaged may show at a later row than the first that is read
            found = 0
            for key, value in wanted.items():
                entry = store.get(key)
                loaded = None if entry is None else load(store, entry)
                assert loaded in (None, [value]), "a wrong value"
                found += loaded is not None
        for value in (b"new", b"new" * 9_000):
            # The first one may find out what is damaged, and be lost with the repair.
            assert any(is_kept(store, value) for _ in range(3)), "new results are not kept"
        return found
    finally:
        store.close()


def test_an_index_with_a_flipped_bit_gives_no_wrong_value_and_goes_on(rounds, filled):
    root, small, large = filled
    path = root / "v1" / "index.db"
    size = path.stat().st_size
    found = asked = 0
    for _ in rounds(10_000, "flips"):
        lay_out(root)
        byte, bit = random.randrange(size), random.randrange(8)
        if random.random() < 0.2:  # the tables' names and columns are a small part of it
            byte = random.randrange(12_000)
        with path.open("r+b") as stream:
            stream.seek(byte)
            (old,) = stream.read(1)
            stream.seek(byte)
            stream.write(bytes([old ^ 1 << bit]))
        try:
            found += look(root, small | large)
            asked += SMALL + LARGE
        except Exception as error:
            rounds.failed(f"bit {bit} of byte {byte}: {type(error).__name__}: {error}")
        restore_blobs(root, large)
    rounds.note(f"{found / max(1, asked):.1%} of all results found")


def is_kept(store, value):
    kept = put(store, make_entry(), value)
    entry = store.get(kept.key)
    loaded = None if entry is None else load(store, entry)
    assert loaded in (None, [value]), "a wrong value"
    store.remove([kept.key])
    return loaded is not None


def overwrite(path):
    path.write_bytes(os.urandom(path.stat().st_size))


def zero(path):
    path.write_bytes(bytes(path.stat().st_size))


def truncate(path):
    os.truncate(path, random.randrange(path.stat().st_size))


def delete(path):
    path.unlink()


def empty(path):
    os.truncate(path, 0)


def garbage_at_random_pages(path):
    pages = path.stat().st_size // 4096
    with path.open("r+b") as stream:
        for page in random.sample(range(pages), random.randrange(1, pages)):
            stream.seek(4096 * page)
            stream.write(os.urandom(4096))


def foreign_database(path):
    path.unlink()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode=" + random.choice(["WAL", "DELETE"])).fetchall()
    connection.execute("CREATE TABLE entries (id); INSERT INTO entries VALUES (1)")
    connection.close()


def other_version(path):
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA user_version={random.choice([0, 1, 77])}")
    connection.close()


def a_text(path):
    path.write_text("SELECT * FROM entries;\n" * 1_000)


def stale_log(path):
    """A log of another database beside it."""
    other = path.with_name("other.db")
    connection = apsw.Connection(str(other))
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.execute("CREATE TABLE t (x); INSERT INTO t VALUES (1)").fetchall()
    shutil.copy(f"{other}-wal", f"{path}-wal")
    connection.close()
    other.unlink()


def garbage_log(path):
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).write_bytes(os.urandom(random.randrange(50_000)))


DAMAGES = [
    overwrite, zero, truncate, delete, empty, garbage_at_random_pages, foreign_database,
    other_version, a_text, stale_log, garbage_log,
]  # fmt: skip


MAY_BE_IN_USE = [damage for damage in DAMAGES if damage is not garbage_log]
"""Not what cuts short what SQLite has mapped: the notes on the log."""


def test_every_valid_blob_comes_back_whatever_becomes_of_the_index(rounds, filled):
    root, small, large = filled
    path = root / "v1" / "index.db"
    for number in rounds(5_000, "damages", least=len(DAMAGES)):
        lay_out(root)
        damage = DAMAGES[number % len(DAMAGES)]
        damage(path)
        try:
            look(root, small)
            found = look(root, large)
        except Exception as error:
            rounds.failed(f"{damage.__name__}: {type(error).__name__}: {error}")
        else:
            if found != len(large):
                rounds.failed(f"{damage.__name__}: {found} of {len(large)} blobs")


def test_an_index_whose_log_is_removed_under_a_killed_writer_gives_no_wrong_value(
    rounds, child, tmp_path
):
    root = tmp_path / "cache"
    for number in rounds(2_000, "removals"):
        writer = child("writing.py", root, number)
        writer.answer()
        writer.end()
        for name in random.choice([["-wal"], ["-shm"], ["-wal", "-shm"]]):
            (root / "v1" / f"index.db{name}").unlink(missing_ok=True)
        try:
            look(root, {})
            checker = DiskStore(root)
            for entry, _ in checker.entries():
                value = load(checker, entry)
                assert value in (None, [entry.key * 5], [entry.key * 2_000]), "a wrong value"
            checker.close()
        except Exception as error:
            rounds.failed(f"{type(error).__name__}: {error}")


@pytest.mark.parametrize("kind", ["results", "items"])
def test_who_writes_lives_on_whatever_becomes_of_the_file_under_it(rounds, child, tmp_path, kind):
    refused = 0
    # Items of a newer version are refused, for whoever can read them.
    damages = [each for each in MAY_BE_IN_USE if kind == "results" or each is not other_version]
    for number in rounds(500, "rounds"):
        root = tmp_path / str(number)
        path = root / "v1" / ("index.db" if kind == "results" else "collections/items.db")
        writers = [child("going_on.py", root, kind) for _ in range(3)]
        for writer in writers:
            assert writer.answer() == "at work", writer.errors()
        done = []
        for _ in range(12):
            time.sleep(random.uniform(0.02, 0.25))  # so that they are anywhere
            damage = random.choice(damages)
            done.append(damage.__name__)
            with suppress(OSError, ValueError, apsw.Error):  # what is to be damaged is gone by now
                damage(path)
        for writer in writers:
            writer.tell()
        for writer in writers:
            answer = writer.answer()
            if answer == "goes on":
                refused += int(writer.answer())
                writer.tell()
            elif answer:
                rounds.failed(f"{done}: {answer}")
                writer.tell()
            if writer.process.wait():
                ended = f"ended by {writer.process.returncode}"
                rounds.failed(f"{done}: {ended}\n{writer.errors()}")
        shutil.rmtree(root)
    rounds.note(f"{refused} refusals")


def restore_blobs(root, large):
    """Keep again what a damaged row made a miss of."""
    folder = root / "v1" / "quarantine"
    for path in folder.glob("?" * 32):
        path.rename(root / "v1" / "blobs" / path.name[:2] / path.name)
