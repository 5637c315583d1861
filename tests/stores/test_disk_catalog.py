"""What a directory tells people, what it remembers beside results, and what it collects."""

from __future__ import annotations

import os
from random import Random

import pytest

from stagecache.model import CodeManifest, CodePart, Digest, RunRecord
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, make_provenance, put


class Clock:
    def __init__(self, now=1_800_000_000.0):
        self.time = now

    def now(self):
        return self.time

    monotonic = now


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(root, clock):
    store = DiskStore(root, clock=clock)
    yield store
    store.close()


def reopened(store, root):
    store.close()
    return DiskStore(root)


def test_entries_are_listed_newest_first_with_their_provenance(store):
    entries = [put(store, make_entry(created=float(n), stage=f"m:{n % 2}")) for n in range(450)]
    listed = list(store.entries())
    assert [entry for entry, _ in listed] == entries[::-1]
    assert listed[0][1] == make_provenance(entries[-1])
    assert [e.created for e, _ in store.entries("m:1", 3)] == [449.0, 447.0, 445.0]
    assert len(list(store.entries("m:0"))) == 225
    assert [e.created for e, _ in store.entries(limit=1)] == [449.0]
    assert list(store.entries(limit=0)) == []
    assert list(store.entries("m:2")) == []


def test_entries_of_one_moment_are_all_listed(store):
    keys = {put(store, make_entry()).key for _ in range(450)}
    assert {entry.key for entry, _ in store.entries()} == keys


def test_listing_holds_no_snapshot_open(store, root):
    for _ in range(300):
        put(store, make_entry())
    listing = store.entries()
    next(listing)
    other = DiskStore(root)
    other.remove([entry.key for entry, _ in other.entries()])
    assert store.stats().entries == 0
    other.close()


def test_a_key_is_found_by_any_prefix(store):
    entries = [put(store, make_entry(bytes([n]) * 16)) for n in (0x00, 0x12, 0x1F, 0xFF)]
    keys = [entry.key for entry in entries]
    assert sorted(store.find("")) == keys
    assert sorted(store.find("1")) == keys[1:3]
    assert store.find("121") == [keys[1]]
    assert store.find("1F1f") == [keys[2]]
    assert store.find("f" * 32) == [keys[3]]
    assert store.find("f" * 33) == store.find("g") == store.find("' OR 1") == store.find("%") == []


def test_a_manifest_comes_back_as_it_was(store):
    manifest = CodeManifest(
        Digest(b"m" * 16),
        (CodePart("tidy", "function", Digest(b"p" * 16), "def tidy(): 'ü\udcff'"),),
        ("db",),
        ("memo",),
    )
    entry = make_entry()
    store.put(entry, [b""], make_provenance(entry), manifest)
    assert store.manifest(manifest.digest) == manifest
    assert store.manifest(Digest(bytes(16))) is None


def test_the_last_runs_are_kept(store, root):
    runs = [RunRecord("nightly", float(n), 1.5, ("a", "b"), n, ("c",), 0.5) for n in range(3)]
    for run in runs:
        store.record_run(run)
    store = reopened(store, root)
    assert store.runs() == runs[::-1]
    assert store.runs(1) == [runs[2]]
    store.close()


def test_uses_are_counted_and_written_when_the_store_is_closed(store, root, clock):
    entries = [put(store, make_entry(stage=f"m:{n % 2}"), bytes(100)) for n in range(4)]
    for entry in entries[:3]:
        store.count_use(entry.key, 2.0)
    assert store.total_saved() == 6.0
    store = reopened(store, root)
    assert store.stages() == [
        ("m:0", 2, 200, 2, 4.0, clock.time),
        ("m:1", 2, 200, 1, 2.0, clock.time),
    ]
    store.remove([entries[0].key])
    assert store.total_saved() == 6.0
    assert store.stages()[0] == ("m:0", 1, 100, 1, 2.0, clock.time)
    store.close()


def test_uses_of_many_results_are_written_though_nobody_closes(store, root):
    put(store, make_entry())
    for number in range(1_000):
        store.count_use(b"%016d" % number, 1.0)
    other = DiskStore(root)
    assert other.total_saved() == 1_000.0
    other.close()


def test_uses_are_not_written_inside_a_reading_block(store, root):
    put(store, make_entry())
    other = DiskStore(root)
    with store.reading():
        for number in range(1_001):
            store.count_use(b"%016d" % number, 1.0)
        assert other.total_saved() == 0.0
    put(store, make_entry())
    assert other.total_saved() == 1_001.0
    other.close()


def test_facts_are_remembered_across_stores(store, root):
    put(store, make_entry())
    store.remember("file", b"key", b"one")
    store.remember("file", b"key", b"two")
    assert store.recall("file", b"key") == b"two"
    assert store.recall("code", b"key") is None
    store = reopened(store, root)
    assert store.recall("file", b"key") == b"two"
    assert store.recall("file", b"key") == b"two"
    store.close()


def test_what_could_not_be_written_is_written_with_the_next_commit(store, root, monkeypatch):
    import stagecache.stores.disk.pending as pending

    entry = put(store, make_entry())
    store.count_use(entry.key, 1.0)
    store.remember("file", b"key", b"value")
    with monkeypatch.context() as patch:
        patch.setattr(pending.Batch, "write", lambda *_: os.stat(root / "nothing"))
        with pytest.raises(Exception, match="No such file"):
            put(store, make_entry())
    put(store, make_entry())
    other = DiskStore(root)
    assert other.total_saved() == 1.0
    assert other.recall("file", b"key") == b"value"
    assert other.stats().entries == 2
    other.close()


def age(path, seconds, clock):
    os.utime(path, (clock.time - seconds,) * 2)


def test_gc_removes_old_orphans_leftovers_and_trash_and_nothing_else(store, root, clock):
    kept, replaced = (put(store, make_entry(), b"%d" % n * 50_000) for n in range(2))
    put(store, make_entry(replaced.key, generation=1), b"9" * 50_000)
    layout = root / "v1"
    (trash,) = (layout / "trash").iterdir()
    age(trash, 700, clock)
    for name, seconds in (("a" * 32, 4_000), ("b" * 32, 3_000)):
        path = layout / "blobs" / name[:2] / name
        path.parent.mkdir()
        path.write_bytes(b"orphan")
        age(path, seconds, clock)
    for name, seconds in (("1-a", 4_000), ("1-b", 3_000)):
        (layout / "tmp" / name).write_bytes(b"left")
        age(layout / "tmp" / name, seconds, clock)
    for path in (layout / "blobs").rglob("?" * 32):
        if path.stat().st_size > 100:
            age(path, 10_000, clock)
    would = store.gc(dry_run=True)
    assert trash.exists()
    assert would.dry_run
    assert (would.blobs, would.temporary, would.trash) == (1, 1, 1)
    assert would.bytes > 50_000
    assert store.gc() == would._replace(dry_run=False)
    assert store.gc() == (0, 0, 0, 0, False, 0, 0, True)
    assert not (layout / "blobs" / "aa" / ("a" * 32)).exists()
    assert (layout / "blobs" / "bb" / ("b" * 32)).exists()
    assert [path.name for path in (layout / "tmp").iterdir()] == ["1-b"]
    assert load(store, kept) == [b"0" * 50_000]


def test_stats_count_files_and_bytes(store):
    put(store, make_entry())
    for number in range(3):
        put(store, make_entry(), b"%d" % (number % 2) * 50_000)
    stats = store.stats()
    assert (stats.entries, stats.blobs, stats.quarantined) == (4, 2, 0)
    assert 100_000 < stats.bytes < 400_000


def test_a_stage_is_listed_whole_while_results_come_and_go(store, root):
    other = DiskStore(root)
    random = Random(5)
    kept = {}
    for number in range(1_500):
        entry = put(random.choice((store, other)), make_entry(stage=f"m:{number % 3}"))
        kept[entry.key] = entry
        if number % 100 in (54, 55, 56):  # the last row: its number comes again
            store.remove([entry.key])
            del kept[entry.key]
        if number % 70 == 60:
            gone = random.choice(sorted(kept))
            other.remove([gone])
            del kept[gone]
        if number % 130 == 120:
            again = kept[random.choice(sorted(kept))]
            kept[again.key] = put(store, again._replace(generation=again.generation + 1))
        if number % 250 == 0:
            for stage in ("m:0", "m:1", "m:2"):
                wanted = {entry for entry in kept.values() if entry.stage == stage}
                listed = [entry for entry, _ in store.entries(stage)]
                assert len(listed) == len(wanted)
                assert set(listed) == wanted
    other.close()


def test_a_result_made_anew_is_listed_first(store):
    entries = [put(store, make_entry(stage="m:0")) for _ in range(600)]
    again = put(store, entries[10]._replace(generation=1))
    assert next(store.entries("m:0"))[0] == again
    assert next(store.entries())[0] == again


def test_an_index_made_from_blobs_lists_the_newest_first(store, root):
    for number in (3, 1, 2):
        put(store, make_entry(created=float(number), stage="m:0"), bytes(20_000 + number))
    store.close()
    (root / "v1" / "index.db").unlink()
    store = DiskStore(root)
    assert [entry.created for entry, _ in store.entries("m:0")] == [3.0, 2.0, 1.0]
    store.close()


def test_one_result_is_listed_by_its_key_without_the_others(store):
    kept, _ = put(store, make_entry()), put(store, make_entry())
    assert store.listed(kept.key) == (kept, make_provenance(kept))
    assert store.listed(bytes(16)) is None
    with store._connections.writing() as connection:
        connection.execute("UPDATE entries SET provenance = '[' WHERE key = ?", (kept.key,))
    assert store.listed(kept.key) is None
