"""A store that writes nothing: beside a writer, after one, and where nobody may write."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import warnings

import pytest

import stagecache
from stagecache.errors import SettingsError, StagecacheWarning, StoreError
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, put

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def stores():
    made = []

    def make(root, **options):
        made.append(DiskStore(root, **options))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def kept(root, stores):
    store = stores(root)
    entries = [put(store, make_entry(codec="plain"), b"v" * size) for size in (100, 50_000)]
    store.close()
    return entries


def tree(root):
    return {
        str(path.relative_to(root)): (
            path.lstat().st_size, path.lstat().st_mtime_ns, path.lstat().st_mode,
        )
        for path in [root, *root.rglob("*")]
    }  # fmt: skip


def use_all(store, kept):
    """Do all that a job does with a store."""
    store.prepare()
    for entry in kept:
        assert store.get(entry.key) == entry
        assert load(store, entry) == [b"v" * entry.size]
        store.count_use(entry.key, 1.0)
    assert store.get_many([entry.key for entry in kept]) == {entry.key: entry for entry in kept}
    with store.reading():
        assert store.get(kept[0].key) == kept[0]
    assert store.get(bytes(16)) is None
    assert not put(store, make_entry(), b"new").has_value
    assert not put(store, make_entry(), bytes(50_000)).has_value
    store.remember("file", b"key", b"value")
    assert store.recall("file", b"key") == b"value"
    store.version()
    assert len(list(store.entries())) == 2
    assert store.stats().entries == 2
    assert store.stages()[0].entries == 2
    assert store.runs() == []
    assert store.verify() == []


def test_nothing_is_written_and_everything_is_found(root, stores, kept):
    before = tree(root)
    store = stores(root, read_only=True)
    use_all(store, kept)
    assert store.private
    assert not store.writable
    store.close()
    assert tree(root) == before


def test_nothing_is_made_where_nothing_is(root, stores):
    store = stores(root, read_only=True)
    store.prepare()
    assert store.get(bytes(16)) is None
    assert store.version() == 0
    assert not put(store, make_entry()).has_value
    store.close()
    assert not root.exists()


def test_what_changes_a_store_says_that_it_may_not(root, stores, kept):
    store = stores(root, read_only=True)
    for change in (
        lambda: store.remove([kept[0].key]),
        store.gc,
        lambda: store.verify(repair=True),
    ):
        with pytest.raises(StoreError, match="read_only"):
            change()
    assert store.get(kept[0].key) == kept[0]


def test_damaged_results_are_misses_and_stay_where_they_are(root, stores, kept):
    (blob,) = (root / "v1" / "blobs").glob("*/*")
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    before = tree(root)
    store = stores(root, read_only=True)
    assert store.load(kept[1]) is None
    assert store.get(kept[1].key) == kept[1]
    assert tree(root) == before


def test_an_index_of_another_version_is_trouble_that_is_told(root, stores, kept):
    import apsw

    connection = apsw.Connection(str(root / "v1" / "index.db"))
    connection.execute("PRAGMA user_version=999")
    connection.close()
    before = tree(root)
    store = stores(root, read_only=True)
    assert store.get(kept[0].key) is None
    with pytest.raises(StoreError, match="another version"):
        store.prepare()
    assert tree(root) == before


def test_a_broken_index_is_not_mended(root, stores, kept):
    (root / "v1" / "index.db").write_bytes(os.urandom(8192))
    before = tree(root)
    store = stores(root, read_only=True)
    assert store.get(kept[0].key) is None
    with pytest.raises(StoreError):
        store.prepare()
    assert tree(root) == before


def test_an_index_with_broken_pages_is_not_mended(root, stores, kept):
    path = root / "v1" / "index.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    before = tree(root)
    store = stores(root, read_only=True)
    assert store.get(kept[0].key) is None
    assert tree(root) == before


def test_beside_a_writer_its_results_are_seen_as_they_come(root, stores, kept):
    reader = stores(root, read_only=True)
    assert reader.get(kept[0].key) == kept[0]
    writer = stores(root)
    entries = []
    for number in range(5):
        entries.append(put(writer, make_entry(codec="plain"), b"%d" % number))
        reader.version()
        assert reader.get(entries[-1].key) == entries[-1]
    before = reader.version()
    writer.remove([entries[0].key])
    assert reader.version() != before
    assert reader.get(entries[0].key) is None
    writer.close()
    last = stores(root)
    entry = put(last, make_entry(codec="plain"), b"last")
    last.close()
    reader.version()
    assert reader.get(entry.key) == entry


def test_a_log_that_a_killed_writer_left_is_read(root, stores, tmp_path):
    writer = stores(root)
    entry = put(writer, make_entry(codec="plain"), b"in the log")
    shutil.copytree(root, tmp_path / "copy")  # as if it had been killed here
    before = tree(tmp_path / "copy")
    reader = stores(tmp_path / "copy", read_only=True)
    assert (tmp_path / "copy" / "v1" / "index.db-wal").stat().st_size
    assert reader.get(entry.key) == entry
    reader.close()
    assert tree(tmp_path / "copy") == before


def test_a_log_without_its_notes_is_trouble_that_is_told(root, stores, tmp_path):
    writer = stores(root)
    put(writer, make_entry(codec="plain"), b"in the log")
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "copy" / "v1" / "index.db-shm").unlink()
    before = tree(tmp_path / "copy")
    reader = stores(tmp_path / "copy", read_only=True)
    assert reader.get(bytes(16)) is None
    with pytest.raises(StoreError, match="Cannot read"):
        reader.prepare()
    assert tree(tmp_path / "copy") == before


AS_NOBODY = """
import os, sys
root, numbers = sys.argv[1], sys.argv[2:]
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load
import stagecache.codecs
os.setuid(65534)
try:
    open(os.path.join(root, "x"), "w")
except PermissionError:
    pass
else:
    raise SystemExit("it may write")
store = DiskStore(root, read_only=True)
for key in numbers:
    entry = store.get(bytes.fromhex(key))
    assert entry is not None, key
    assert load(store, entry) == [b"v" * entry.size]
assert not store.private
store.close()
"""


@as_root
def test_a_closed_directory_of_somebody_else_is_read(stores, tmp_path):
    """All folders on the way have to let others in, which those of the tests do not."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        root = os.path.join(folder, "cache")
        store = stores(root)
        keys = [put(store, make_entry(codec="plain"), b"v" * n).key.hex() for n in (9, 50_000)]
        pickled = put(store, make_entry(codec="pickle"), b"code").key.hex()
        store.close()
        for above, folders, files in os.walk(root):
            for name in folders:
                os.chmod(os.path.join(above, name), 0o555)
            for name in files:
                os.chmod(os.path.join(above, name), 0o444)
        os.chmod(root, 0o555)
        done = run(AS_NOBODY, root, *keys)
        assert done.returncode == 0, done.stderr
        done = run(AS_NOBODY, root, pickled)
        assert "AssertionError: " + pickled in done.stderr
        for above, folders, _ in os.walk(root):
            for name in folders:
                os.chmod(os.path.join(above, name), 0o755)


ON_A_READ_ONLY_MOUNT = """
import subprocess, sys
root, *keys = sys.argv[1:]
mounted = subprocess.run(["mount", "--bind", root, root], capture_output=True)
mounted = mounted if mounted.returncode else subprocess.run(
    ["mount", "-o", "remount,ro,bind", root], capture_output=True)
if mounted.returncode:
    raise SystemExit(77)
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load
store = DiskStore(root, read_only=True)
store.prepare()
for key in keys:
    entry = store.get(bytes.fromhex(key))
    assert load(store, entry) == [b"v" * entry.size]
assert store.private
store.close()
"""


def test_a_read_only_mount_is_read(root, kept):
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare")
    keys = [entry.key.hex() for entry in kept]
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-W", "error", "-c", ON_A_READ_ONLY_MOUNT,
         str(root), *keys],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this user may not mount")
    assert done.returncode == 0, done.stderr


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def test_what_strangers_may_write_is_not_even_read(root, stores, kept):
    (root / "v1").chmod(0o777)
    before = tree(root)
    store = stores(root, read_only=True)
    assert store.get(kept[0].key) is None
    with pytest.raises(StoreError, match="others may write"):
        store.prepare()
    assert tree(root) == before


# --- through the engine


@pytest.fixture
def calls():
    return []


@pytest.fixture
def double(calls):
    @stagecache.stage
    def double(x: int) -> list[int]:
        calls.append(x)
        return [x] * 2

    return double


def test_hits_are_hits_and_misses_stay_in_memory(root, double, calls):
    with stagecache.Cache(root):
        double(1)
    before = tree(root)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with stagecache.Cache(root, read_only=True) as cache:
            for _ in range(3):
                assert double(1) == [1, 1]
                assert double(2) == [2, 2]
            assert calls == [1, 2]
            assert [entry.size > 0 for entry, _ in cache.entries()] == [True, True]
    assert tree(root) == before


def test_a_pipeline_run_leaves_no_record_on_disk(root, double):
    @stagecache.pipeline
    def many(n: int) -> list[list[int]]:
        return double.map(range(n))

    with stagecache.Cache(root):
        many(20)
    before = tree(root)
    with stagecache.Cache(root, read_only=True) as cache:
        assert len(many(30)) == 30
        assert many.run(30).summary()
        assert len(cache.runs()) == 3
        assert cache.stats().entries == 30
    assert tree(root) == before


def test_what_would_change_it_is_an_error(root, double):
    with stagecache.Cache(root):
        double(1)
    with stagecache.Cache(root, read_only=True) as cache:
        for change in (
            cache.clear,
            cache.gc,
            lambda: cache.forget([bytes(16)]),
            lambda: cache.verify(repair=True),
            lambda: double.forget(1),
            double.forget_all,
        ):
            with pytest.raises(SettingsError, match="read_only"):
                change()
        assert cache.verify() == []
        assert double.is_cached(1)


def test_a_thousand_calls_write_nothing(root, double):
    with stagecache.Cache(root):
        for x in range(100):
            double(x)
    before = tree(root)
    with stagecache.Cache(root, read_only=True):
        for number in range(1_000):
            double(number % 200)
    assert tree(root) == before


def test_of_a_read_only_copy_the_safe_results_are_found(root, tmp_path, double, calls):
    with stagecache.Cache(root, shared=True):
        double(1)
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "copy").chmod(0o755)
    (tmp_path / "copy" / "v1").chmod(0o755)
    with stagecache.Cache(tmp_path / "copy", read_only=True):
        assert double(1) == [1, 1]
        assert calls == [1]
        with pytest.warns(StagecacheWarning, match="not private"):
            double(2)
        double(2)
    assert calls == [1, 2]
