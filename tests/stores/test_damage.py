"""Whatever happens to the files of a store, a read gives the very value or a miss."""

from __future__ import annotations

import os
import random
import shutil

import pytest

from stagecache.model import CodeManifest
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, make_provenance, put


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def store(root):
    store = DiskStore(root)
    yield store
    store.close()


def blob_path(root, entry):
    return root / "v1" / "blobs" / entry.blob.hex()[:2] / entry.blob.hex()


def quarantined(root):
    return sorted(path.name for path in (root / "v1" / "quarantine").iterdir())


def fresh(root):
    """Return a store that has verified nothing yet."""
    return DiskStore(root)


def test_every_flipped_bit_of_a_blob_is_found(root):
    store = fresh(root)
    entries = [put(store, make_entry(), os.urandom(16_500), b"ab", b"") for _ in range(30)]
    whole = {path: path.read_bytes() for path in (blob_path(root, entry) for entry in entries)}
    (size,) = set(map(len, whole.values()))
    dice = random.Random(7)
    head_and_tail = [*range(0, 1024, 3), *range(size - 100, size)]
    positions = head_and_tail + dice.sample(range(size), 100)
    while positions:  # a look at all of a directory takes long: one of each blob at a time
        flipped = [path for path, _ in zip(whole, positions, strict=False)]
        for path in flipped:
            damaged = bytearray(whole[path])
            damaged[positions.pop()] ^= 1 << dice.randrange(8)
            path.write_bytes(damaged)
        found = store.verify()
        assert {problem.kind for problem in found} == {"blob"}
        assert len(found) == len(flipped), positions
        for path in flipped:
            path.write_bytes(whole[path])
    assert store.verify() == []
    store.close()


def test_a_damaged_blob_is_a_miss_set_aside_and_its_entry_gone(store, root):
    entry = put(store, make_entry(), os.urandom(300_000))
    path = blob_path(root, entry)
    damaged = bytearray(path.read_bytes())
    damaged[150_000] ^= 4
    path.write_bytes(damaged)
    other = fresh(root)
    before = store.version()
    assert other.load(entry) is None
    assert other.get(entry.key) is None
    assert store.get(entry.key) is None
    assert store.version() != before
    assert quarantined(root) == [entry.blob.hex()]
    assert not path.exists()
    other.close()


def test_damage_after_the_first_read_is_found_too(store, root):
    entry = put(store, make_entry(), os.urandom(300_000))
    assert store.load(entry) is not None
    path = blob_path(root, entry)
    damaged = bytearray(path.read_bytes())
    damaged[150_000] ^= 4
    path.unlink()
    path.write_bytes(damaged)
    assert store.load(entry) is None


@pytest.mark.parametrize("size", [0, 10, 1000, 299_999])
def test_a_truncated_blob_is_a_miss(store, root, size):
    entry = put(store, make_entry(), bytes(300_000))
    os.truncate(blob_path(root, entry), size)
    assert store.load(entry) is None
    assert store.get(entry.key) is None


def test_a_missing_blob_is_a_miss_and_only_its_entry_is_gone(store, root):
    entry, kept = put(store, make_entry(), bytes(50_000)), put(store, make_entry(), bytes(60_000))
    blob_path(root, entry).unlink()
    assert store.load(entry) is None
    assert store.get(entry.key) is None
    assert store.get(kept.key) == kept


def test_another_blob_under_the_name_is_a_miss(store, root):
    entry, other = put(store, make_entry(), b"1" * 50_000), put(store, make_entry(), b"2" * 50_000)
    shutil.copy(blob_path(root, other), blob_path(root, entry))
    assert store.load(entry) is None
    assert load(store, other) == [b"2" * 50_000]


def test_a_link_under_the_name_is_not_followed(store, root, tmp_path):
    entry = put(store, make_entry(), bytes(50_000))
    path = blob_path(root, entry)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="read a result"):
        store.load(entry)


def test_a_result_that_was_damaged_is_kept_again(store, root):
    value = os.urandom(50_000)
    entry = put(store, make_entry(), value)
    os.truncate(blob_path(root, entry), 100)
    assert store.load(entry) is None
    again = put(store, make_entry(entry.key), value)
    assert load(store, again) == [value]


def test_a_blob_published_anew_meanwhile_is_not_set_aside(store, root):
    value = os.urandom(50_000)
    entry = put(store, make_entry(), value)
    path = blob_path(root, entry)
    whole = path.read_bytes()
    bad = path.stat().st_ino
    (root / "whole").write_bytes(whole)
    (root / "whole").rename(path)
    store._drop(entry, lambda connection: store._quarantine(connection, entry.blob, bad))
    assert load(store, entry) == [value]
    assert store.get(entry.key) == entry


def test_a_flipped_bit_of_an_inline_value_is_a_miss_and_its_entry_gone(store):
    entry = put(store, make_entry(), b"value")
    damaged = bytearray(entry.inline)
    damaged[15] ^= 1
    assert store.load(entry._replace(inline=bytes(damaged))) is None
    assert store.get(entry.key) is None


def test_the_quarantine_is_bounded(store, root):
    for number in range(25):
        entry = put(store, make_entry(), b"%d" % number * 20_000)
        os.truncate(blob_path(root, entry), 50)
        assert store.load(entry) is None
    assert len(quarantined(root)) == 20
    assert store.stats().quarantined == 20


def test_verify_names_what_is_wrong_and_mends_nothing(store, root):
    _, bad, gone = (put(store, make_entry(), b"%d" % n * 50_000) for n in range(3))
    assert store.verify() == []
    damaged = bytearray(blob_path(root, bad).read_bytes())
    damaged[30_000] ^= 1
    blob_path(root, bad).write_bytes(damaged)
    blob_path(root, gone).unlink()
    orphan = root / "v1" / "blobs" / "00" / ("0" * 32)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"rubbish")
    problems = store.verify()
    assert sorted((p.kind, p.key, p.blob, p.detail) for p in problems if p.key) == [
        ("blob", bad.key, bad.blob, "its contents are damaged"),
        ("missing", gone.key, gone.blob, "it is gone"),
    ]
    assert [(p.kind, p.blob) for p in problems if not p.key] == [("stray", bytes(16))]
    assert f"{bad.stage} {bad.key.hex()}: blob {bad.blob.hex()}: its contents are damaged" in map(
        str, problems
    )
    assert store.verify() == problems


@pytest.mark.parametrize(
    "damage", ["extra = '[1'", "extra = '{}'", "extra = '3'", "stage = CAST(x'ff' AS TEXT)"]
)
def test_a_row_that_cannot_be_read_is_a_miss_and_gives_way(store, damage):
    entry, kept = put(store, make_entry(), b"1" * 50_000), put(store, make_entry())
    with store._connections.writing() as connection:
        connection.execute(f"UPDATE entries SET {damage} WHERE key = ?", (entry.key,))
    assert store.get(entry.key) is None
    assert store.get_many([entry.key, kept.key]) == {kept.key: kept}
    if "extra" in damage:
        assert [listed for listed, _ in store.entries()] == [kept]
    assert [(p.kind, p.key) for p in store.verify()] == [("row", entry.key)]
    again = put(store, make_entry(entry.key), b"2" * 50_000)
    assert store.get(entry.key) == again
    assert load(store, again) == [b"2" * 50_000]
    assert len(list(store.entries())) == 2


def test_texts_that_are_none_any_more_are_left_out_of_what_people_are_shown(store):
    entries = [put(store, make_entry(stage=f"m:{name}")) for name in "abc"]
    manifest = CodeManifest(entries[1].code, ())
    store.put(make_entry(), [b"v"], make_provenance(entries[1]), manifest)
    with store._connections.writing() as connection:
        connection.execute(
            "UPDATE entries SET provenance = CAST(x'ff' AS TEXT) WHERE key = ?", (entries[1].key,)
        )
        connection.execute("UPDATE manifests SET body = CAST(x'ff' AS TEXT)")
    shown = [entry.stage for entry, _ in store.entries()]
    assert shown == ["project:stage", "m:c", "m:a"]
    assert [entry.stage for entry, _ in store.entries(limit=2)] == ["project:stage", "m:c"]
    assert store.manifest(manifest.digest) is None
    assert store.get(entries[1].key) == entries[1]
