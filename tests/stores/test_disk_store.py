"""The store in a directory: what lies where, and what other processes' stores see of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from stagecache.stores.disk import DiskStore
from stagecache.stores.disk.directory import Directory
from stagecache.testing.stores import StoreContract, load, make_entry, put


@pytest.fixture
def root(tmp_path):
    return tmp_path / "place" / "cache"


@pytest.fixture
def store(root):
    store = DiskStore(root)
    yield store
    store.close()


def files(root: Path, folder: str) -> list[Path]:
    return [path for path in (root / "v1" / folder).rglob("*") if path.is_file()]


class TestContract(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        store = DiskStore(tmp_path / "cache")
        yield store
        store.close()


class TestDurableContract(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        store = DiskStore(tmp_path / "cache", durable=True)
        yield store
        store.close()


def test_nothing_is_made_before_the_first_write(store, root):
    key = make_entry().key
    assert store.get(key) is None
    assert store.get_many([key]) == {}
    assert store.version() == 0
    assert store.recall("file", b"key") is None
    assert store.remove([key]) == 0
    assert list(store.entries()) == []
    assert store.stats() == (0, 0, 0, 0)
    assert store.gc().bytes == 0
    assert store.verify() == []
    store.count_use(key, 1.0)
    store.remember("file", b"key", b"value")
    with store.reading():
        assert store.get(key) is None
    store.close()
    assert not root.parent.exists()


def test_the_directory_is_private_and_marked_as_a_cache(store, root):
    put(store, make_entry(), bytes(100_000))
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert (
        (root / "CACHEDIR.TAG")
        .read_text()
        .startswith("Signature: 8a477f597d28d172789f06886806bc55")
    )
    assert (root / ".gitignore").read_text() == "*\n"
    (blob,) = files(root, "blobs")
    assert stat.S_IMODE(blob.stat().st_mode) == 0o600
    assert Path(store.lock_file).parent == root / "v1"


def test_an_existing_directory_keeps_its_mode_and_its_own_ignore_file(tmp_path):
    (tmp_path / ".gitignore").write_text("mine\n")
    tmp_path.chmod(0o755)
    store = DiskStore(tmp_path)
    put(store, make_entry())
    store.close()
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_small_values_lie_in_the_row_and_large_ones_in_files(store, root):
    assert put(store, make_entry(), bytes(16 << 10)).blob is None
    assert files(root, "blobs") == []
    entry = put(store, make_entry(), bytes((16 << 10) + 1))
    (blob,) = files(root, "blobs")
    assert blob.name == entry.blob.hex()
    assert blob.parent.name == blob.name[:2]
    assert files(root, "tmp") == []


def test_equal_values_share_a_file_until_the_last_entry_is_gone(store, root):
    value = os.urandom(50_000)
    one, other = put(store, make_entry(), value), put(store, make_entry(), value)
    assert len(files(root, "blobs")) == 1
    store.remove([one.key])
    assert len(files(root, "blobs")) == 1
    store.remove([other.key])
    assert files(root, "blobs") == []


def test_another_store_on_the_directory_finds_what_was_kept(store, root):
    entries = [put(store, make_entry(), os.urandom(size)) for size in (10, 100_000)]
    other = DiskStore(root)
    for entry in entries:
        assert other.get(entry.key) == entry
        assert load(other, entry) == load(store, entry)
    other.close()


def test_large_sections_are_mapped_aligned_and_private(store):
    entry = put(store, make_entry(), b"x", bytes(400_000), bytes(3))
    first, second = store.load(entry), store.load(entry)
    numpy = pytest.importorskip("numpy")
    for section in first:
        assert not section.readonly
        assert numpy.frombuffer(section, "u1").ctypes.data % 64 == 0
    first[1][0] = 9
    assert second[1][0] == 0
    assert len(store._blobs._maps) == 2  # none of them is a copy


def test_on_a_network_nothing_is_mapped_and_the_index_has_no_log_of_writes(
    store, root, monkeypatch
):
    monkeypatch.setattr(Directory, "is_local", lambda _: False)
    entry = put(store, make_entry(), bytes(400_000))
    assert store.load(entry) is not None
    assert not store._blobs._maps
    with store._connections.writing() as connection:
        assert connection.execute("PRAGMA journal_mode").get == "delete"
    assert not (root / "v1" / "index.db-wal").exists()


def test_a_loaded_value_stays_whole_when_its_entry_is_forgotten(store):
    value = os.urandom(400_000)
    entry = put(store, make_entry(), value)
    (section,) = store.load(entry)
    store.remove([entry.key])
    assert bytes(section) == value


def test_a_replaced_value_can_still_be_loaded_by_who_holds_its_entry(store, root):
    old = put(store, make_entry(), b"1" * 50_000)
    new = put(store, make_entry(old.key, generation=1), b"2" * 50_000)
    assert load(store, old) == [b"1" * 50_000]
    assert load(store, new) == [b"2" * 50_000]
    assert [path.name for path in files(root, "trash")] == [old.blob.hex()]


def test_the_loser_of_a_race_leaves_no_file(store, root):
    put(store, first := make_entry(), b"1" * 50_000)
    put(store, make_entry(first.key), b"2" * 50_000)
    assert len(files(root, "blobs")) == 1


def test_the_version_tells_of_removals_and_replacements_only(store, root):
    other = DiskStore(root)
    entry = put(store, make_entry())
    versions = [other.version()]
    put(store, make_entry())
    versions.append(other.version())
    assert versions[0] == versions[1] == store.version()
    put(store, make_entry(entry.key, generation=1))
    versions.append(other.version())
    store.remove([entry.key])
    versions.append(other.version())
    assert len(set(versions)) == 3
    assert store.version() == versions[-1]
    other.close()


def test_a_failed_removal_does_not_hide_the_next_one(store, root, monkeypatch):
    import stagecache.stores.disk.index as index

    first, second = put(store, make_entry()), put(store, make_entry())
    other = DiskStore(root)
    before = store.version()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(index, "bury", full)
        with pytest.raises(Exception, match="No space left"):
            store.remove([first.key])
    assert store.version() == before
    other.remove([second.key])
    assert store.version() != before
    other.close()


def test_a_reading_block_sees_one_state(store, root):
    entry = put(store, make_entry())
    other = DiskStore(root)
    with store.reading(), store.reading():
        version = store.version()
        assert store.get(entry.key) == entry
        other.remove([entry.key])
        assert store.get(entry.key) == entry
        assert store.version() == version
    assert store.get(entry.key) is None
    assert store.version() != version
    other.close()


def test_a_write_inside_a_reading_block_is_made_and_seen(store):
    put(store, make_entry())
    with store.reading():
        entry = put(store, make_entry())
        assert store.get(entry.key) == entry
        store.remove([entry.key])
        assert store.get(entry.key) is None


def test_a_directory_that_is_removed_meanwhile_is_empty_then_and_made_again(store, root):
    import shutil

    entry = put(store, make_entry())
    before = store.version()
    shutil.rmtree(root)
    assert store.version() != before
    assert store.get(entry.key) is None
    again = put(store, make_entry(), bytes(50_000))
    assert store.get(again.key) == again
    other = DiskStore(root)
    assert other.get(again.key) == again
    other.close()


def test_a_store_can_be_used_after_it_was_closed(store):
    entry = put(store, make_entry())
    store.close()
    assert store.get(entry.key) == entry


def test_many_live_maps_leave_descriptors_to_the_job(store):
    entries = [put(store, make_entry(), os.urandom(16) + bytes(300_000)) for _ in range(3)]
    before = len(os.listdir("/proc/self/fd"))
    kept = [store.load(entries[number % 3]) for number in range(400)]
    assert len(os.listdir("/proc/self/fd")) - before <= 200
    assert len(kept) == 400
