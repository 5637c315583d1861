"""Versions share a directory: what another one left is a miss or not seen; nobody fails by it."""

from __future__ import annotations

import json
import os
import random
import shutil
import warnings

import apsw
import numpy as np

import stagecache
from stagecache.stores.disk import layout

ALL = 12
_ENOUGH = 3
"""Processes, one after the other, until all are hits: a part is found out when it is read."""


@stagecache.stage
def value(n: int) -> object:
    """Small ones in rows, large ones in blobs, some in parts."""
    if n % 3 == 0:
        return [n] * 10
    data = np.arange(5_000 + n)
    return data if n % 3 == 1 else {"data": data, "twice": data * 2}


def is_right(n, found):
    wanted = value.fn(n)
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and all(
            np.array_equal(found[name], wanted[name]) for name in wanted
        )
    return np.array_equal(found, wanted)


def a_layout_of_tomorrow_beside(v1):
    """Another layout is another directory, which is nobody's business here."""
    v2 = v1.with_name("v2")
    (v2 / "blobs").mkdir(parents=True)
    for name in ("index.db", "token", "locks", "blobs/ab"):
        (v2 / name).write_bytes(os.urandom(5_000))


def blobs_of_another_version(v1):
    for path in (v1 / "blobs").glob("*/*"):
        data, prefix = bytearray(path.read_bytes()), layout._PREFIX
        if random.random() < 0.7 and len(data) >= prefix.size:
            magic, _, header, sections = prefix.unpack(data[: prefix.size])
            data[: prefix.size] = prefix.pack(magic, random.randrange(2, 9), header, sections)
            path.write_bytes(data)


def blobs_of_another_form(v1):
    for path in (v1 / "blobs").glob("*/*"):
        if random.random() < 0.7:
            path.write_bytes(layout._MAGIC + os.urandom(random.randrange(5_000)))


def unknown_codecs(v1):
    name = random.choice(["tomorrow", "plain+tomorrow", "tomorrow+zstd", "", "+", "Pickle"])
    change(v1, "UPDATE entries SET codec = ? WHERE random() % 3", (name,))


def unknown_fields(v1):
    more = json.dumps({"tomorrow": [1, {"a": 2}]})
    change(v1, "UPDATE entries SET extra = ? WHERE random() % 3", (more,))
    change(v1, "UPDATE entries SET provenance = ? WHERE random() % 3", (more,))


def unknown_facts(v1):
    change(v1, "UPDATE memo SET value = randomblob(20) WHERE kind != 'stat'")
    change(v1, "INSERT INTO memo (kind, key, value) VALUES ('tomorrow', x'00', x'00')")


def another_schema(v1):
    change(v1, f"PRAGMA user_version={random.randrange(3, 99)}")
    change(v1, "ALTER TABLE entries RENAME COLUMN codec TO encoding")


def a_schema_with_more(v1):
    change(v1, f"PRAGMA user_version={random.choice([0, 1, 1_000])}")
    change(v1, "CREATE TABLE tomorrow (x)")


def another_application(v1):
    change(v1, "PRAGMA application_id=7")


def settings_of_tomorrow(v1):
    said = {"max_size": "lots", "eviction": "clever", "tomorrow": 1}
    (v1 / "settings.json").write_text(json.dumps(said))


def change(v1, *statement):
    connection = apsw.Connection(str(v1 / "index.db"))
    try:
        connection.execute(*statement)
    finally:
        connection.close()


WAYS = [
    a_layout_of_tomorrow_beside, blobs_of_another_version, blobs_of_another_form, unknown_codecs,
    unknown_fields, unknown_facts, another_schema, a_schema_with_more, another_application,
    settings_of_tomorrow,
]  # fmt: skip


def use(root, ran):
    """Ask for everything, and look at all of it, as a process that comes later."""
    with stagecache.Cache(root) as cache:
        stop = cache.listen(lambda event: ran.append(event) if event.kind == "ran" else None)
        wrong = [n for n in range(ALL) if not is_right(n, value(n))]
        stop()
        list(cache.entries())
        cache.stages(), cache.stats(), cache.runs(), cache.bound()
        cache.gc()
        cache.verify(repair=True)
        return wrong


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_another_version_left_is_a_miss_and_disturbs_nobody(rounds, tmp_path):
    whole, root = tmp_path / "whole", tmp_path / "cache"
    use(whole, [])
    for number in rounds(1_000, "directories", least=2 * len(WAYS)):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(whole, root)
        ways = [WAYS[number % len(WAYS)]]
        if number >= len(WAYS):
            ways.insert(0, random.choice(WAYS[:5]))  # those that change no schema
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with stagecache.Cache(root) as cache:
                    cache._disk.trust()
                for way in dict.fromkeys(ways):
                    way(root / "v1")
                beside = files(root / "v2")
                wrong = [number for _ in range(_ENOUGH) for number in use(root, [])]
                ran = []
                wrong += use(root, ran)
        except Exception as error:
            rounds.failed(f"{[way.__name__ for way in ways]}: {error!r}")
            continue
        if wrong or ran:
            rounds.failed(f"{[way.__name__ for way in ways]}: wrong {wrong}, again {len(ran)}")
        if files(root / "v2") != beside:
            rounds.failed(f"{[way.__name__ for way in ways]}: v2 was touched")
