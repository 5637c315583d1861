"""What a body read while somebody wrote it is returned and not kept, however it was written."""

from __future__ import annotations

import os
import random
import warnings
from pathlib import Path

import pytest

from stagecache import Cache, File, stage
from stagecache.errors import StagecacheWarning

EDITS = 200


def append(path):
    with path.open("ab") as stream:
        stream.write(b"more")


def write_anew(path):
    path.write_bytes(os.urandom(path.stat().st_size))


def replace(path):
    fresh = path.with_name("fresh")
    fresh.write_bytes(os.urandom(random.choice([10, path.stat().st_size])))
    fresh.replace(path)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def change_and_set_the_time_back(path):
    stat = path.stat()
    write_anew(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def replace_by_one_of_the_same_time(path):
    stat = path.stat()
    replace(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def remove_and_write(path):
    size = path.stat().st_size
    path.unlink()
    path.write_bytes(os.urandom(size))


def flip_one_byte(path):
    with path.open("r+b", buffering=0) as stream:
        (byte,) = stream.read(1)
        stream.seek(0)
        stream.write(bytes([byte ^ 1]))


CHANGES = [
    append, write_anew, replace, truncate, change_and_set_the_time_back,
    replace_by_one_of_the_same_time, remove_and_write, flip_one_byte,
]  # fmt: skip

edit = None
ran = []


@stage(ignore=("now",))
def declared(path: File, now: object = None) -> bytes:
    return read(path)


@stage
def opened(path: str) -> bytes:
    return read(path)


@stage
def folder(path: str) -> list[bytes]:
    return [read(os.path.join(path, name)) for name in sorted(os.listdir(path))]


def read(path):
    with open(path, "rb") as stream:
        first = stream.read(1)
        if edit is not None and not ran:
            edit(Path(path))
        ran.append(path)
        return first + stream.read()


@pytest.mark.parametrize("reader", [declared, opened, folder], ids=lambda each: each.name)
def test_a_file_that_changes_while_a_body_reads_it_is_never_kept(rounds, tmp_path, reader):
    global edit
    place = tmp_path / "data"
    place.mkdir()
    path = place / "input.bin"
    given = str(place) if reader is folder else str(path)
    with Cache(tmp_path / "cache"):
        for number in rounds(EDITS, "edits"):
            before = os.urandom(random.choice([100, 100_000]))
            path.write_bytes(before)
            edit = CHANGES[number % len(CHANGES)]
            del ran[:]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", StagecacheWarning)
                reader(given)
            edit = None
            after = path.read_bytes()
            for content in (after, before, after):
                path.write_bytes(content)
                found = reader(given)
                if found != ([content] if reader is folder else content):
                    rounds.failed(f"{CHANGES[number % len(CHANGES)].__name__}: a stale result")
