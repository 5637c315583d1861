"""Whose a cache directory is: what is private, what is read from elsewhere, what is refused."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tarfile
import warnings
from pathlib import Path

import pytest

from stagecache.codecs import codec
from stagecache.errors import StagecacheWarning, StoreError
from stagecache.stores.disk import DiskStore
from stagecache.stores.disk.secret import default_path, secret
from stagecache.stores.memory import MemoryStore
from stagecache.stores.tiered import Tiered
from stagecache.testing.stores import load, make_entry, make_provenance, put

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


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
    """A private directory with one pickled and one plain result."""
    store = stores(root)
    store.prepare()
    pickled = put(store, make_entry(codec="pickle"), b"p" * 50_000)
    plain = put(store, make_entry(codec="plain"), b"q" * 50_000)
    store.close()
    return pickled, plain


def copied(root, target):
    shutil.copytree(root, target, symlinks=True)


AS_IT_IS = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
"""For Python before 3.11.4, which knows no filters."""


def unpacked(root, target):
    archive = target.parent / "cache.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(root, target.name)
    with tarfile.open(archive) as tar:
        tar.extractall(target.parent, **AS_IT_IS)
    archive.unlink()


def unpacked_in_its_place(root, target):
    """The system may well give the new directory the number that the old one had."""
    aside = target.parent / "aside"
    aside.mkdir()
    copied(root, aside / root.name)
    shutil.rmtree(root)
    shutil.move(aside / root.name, root)
    copied(root, target)
    shutil.rmtree(root)
    copied(target, root)
    shutil.rmtree(target)
    os.rename(root, target)


def linked(root, target):
    target.symlink_to(root)


def given_away_and_back(root, target):
    os.rename(root, target)
    (target / "v1").chmod(0o777)
    store = DiskStore(target)
    assert store.get(bytes(16)) is None
    store.close()
    (target / "v1").chmod(0o700)


def without_its_token(root, target):
    os.rename(root, target)
    (target / "v1" / "token").unlink()


def with_a_token_of_another(root, target):
    os.rename(root, target)
    token = target / "v1" / "token"
    token.write_bytes(token.read_bytes()[::-1])


def open_to_readers(root, target):
    os.rename(root, target)
    (target / "v1").chmod(0o755)


UNTRUSTED = [
    copied, unpacked, unpacked_in_its_place, linked, given_away_and_back, without_its_token,
    with_a_token_of_another, open_to_readers,
]  # fmt: skip


def test_a_directory_that_is_made_here_is_private(root, stores):
    store = stores(root)
    assert store.private
    store.prepare()
    assert store.private
    assert stores(root).private
    assert stat.S_IMODE((root / "v1").stat().st_mode) == 0o700
    secret_file = Path(default_path())
    assert secret_file.stat().st_size == 32
    assert stat.S_IMODE(secret_file.stat().st_mode) == 0o600


def test_a_directory_that_is_renamed_stays_private(root, stores, kept, tmp_path):
    os.rename(root, tmp_path / "elsewhere")
    store = stores(tmp_path / "elsewhere")
    assert store.private
    assert load(store, store.get(kept[0].key)) == [b"p" * 50_000]


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
def test_an_empty_directory_is_adopted_in_silence(root, stores, mode):
    root.mkdir()
    root.chmod(mode)
    (root / "notes.txt").write_text("mine")
    store = stores(root)
    store.prepare()
    assert store.private
    assert stat.S_IMODE(root.stat().st_mode) == mode


def test_what_a_killed_creator_left_is_adopted_in_silence(root, stores):
    (root / "v1" / "blobs").mkdir(parents=True)
    (root / "v1" / "token-1-ab").write_bytes(b"half")
    store = stores(root)
    store.prepare()
    assert store.private


def test_who_needs_a_file_while_another_process_makes_the_directory_gives_it_its_token(
    root, stores
):
    (root / "v1").mkdir(parents=True, mode=0o700)  # so far has the other one come
    stores(root).throttle_file("a")
    newcomer = stores(root)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        newcomer.prepare()
    assert newcomer.private


@pytest.mark.parametrize("arrive", UNTRUSTED)
def test_from_a_directory_that_others_may_have_changed_no_pickle_is_handed_out(
    root, stores, kept, tmp_path, arrive
):
    arrive(root, tmp_path / "there")
    store = stores(tmp_path / "there")
    pickled, plain = kept
    assert store.get(pickled.key) is None
    assert store.get_many([pickled.key, plain.key]) == {plain.key: plain}
    assert store.load(pickled) is None
    assert load(store, plain) == [b"q" * 50_000]
    assert not store.private
    with pytest.warns(StagecacheWarning, match="is not private"):
        store.prepare()
    store.prepare()  # a second warning would be an error


@pytest.mark.parametrize("arrive", UNTRUSTED)
def test_such_a_directory_takes_safe_results_in_place_of_pickles(
    root, stores, kept, tmp_path, arrive
):
    arrive(root, tmp_path / "there")
    store = stores(tmp_path / "there")
    pickled, _ = kept
    assert not put(store, make_entry(pickled.key, codec="cloudpickle"), b"evil").has_value
    assert not put(store, make_entry(codec="pickle"), b"e" * 50_000).has_value
    assert store.get(pickled.key) is None
    again = put(store, make_entry(pickled.key, codec="array"), b"safe")
    assert store.get(pickled.key) == again
    assert load(store, again) == [b"safe"]


@pytest.mark.parametrize(
    "arrive", [arrive for arrive in UNTRUSTED if arrive is not linked], ids=lambda a: a.__name__
)
def test_a_person_can_vouch_for_it(root, stores, kept, tmp_path, arrive):
    arrive(root, tmp_path / "there")
    store = stores(tmp_path / "there")
    assert not store.private
    store.trust()
    assert store.private
    assert load(store, store.get(kept[0].key)) == [b"p" * 50_000]
    assert stores(tmp_path / "there").private


def test_nobody_can_vouch_for_a_link_or_for_nothing(root, stores, kept, tmp_path):
    (tmp_path / "link").symlink_to(root)
    with pytest.raises(StoreError, match="is a link"):
        stores(tmp_path / "link").trust()
    with pytest.raises(StoreError, match="No such file"):
        stores(tmp_path / "nothing").trust()
    (root / "v1" / "blobs" / "zz").symlink_to(tmp_path)
    (root / "v1" / "token").unlink()
    with pytest.raises(StoreError, match="zz is a link"):
        stores(root).trust()


@pytest.mark.parametrize("arrive", UNTRUSTED)
def test_its_facts_are_not_believed_and_new_ones_stay_in_memory(
    root, stores, kept, tmp_path, arrive
):
    """Whoever says of a file or of code what it is decides what a hit is."""
    store = stores(root)
    for number in range(50):
        store.remember("stat", b"%d" % number, b"fact")
    store.close()
    arrive(root, tmp_path / "there")
    store = stores(tmp_path / "there")
    for number in range(50):
        assert store.recall("stat", b"%d" % number) is None
    store.remember("stat", b"new", b"fact of mine")
    assert store.recall("stat", b"new") == b"fact of mine"
    put(store, make_entry(codec="plain"), b"a commit")
    store.close()
    if arrive is not linked:
        store = stores(tmp_path / "there")
        store.trust()
        assert store.recall("stat", b"1") == b"fact"
        assert store.recall("stat", b"new") is None


def test_facts_of_a_private_directory_are_believed_until_it_is_replaced(
    root, stores, kept, tmp_path
):
    store = stores(root)
    store.remember("stat", b"a", b"fact")
    store.close()
    copied(root, tmp_path / "copy")
    store = stores(root)
    assert store.recall("stat", b"a") == b"fact"
    os.rename(root, tmp_path / "old")
    os.rename(tmp_path / "copy", root)
    store.version()
    assert store.recall("stat", b"a") == b"fact"  # it was read from there
    assert store.recall("stat", b"b") is None
    assert stores(root).recall("stat", b"a") is None


def test_what_names_a_class_is_not_handed_out_from_elsewhere(root, stores, tmp_path):
    """To look at the class would import whatever module the entry names."""
    store = stores(root)
    named = put(store, make_entry(codec="plain", refs=("evil:Class",)))
    store.close()
    copied(root, tmp_path / "there")
    assert stores(tmp_path / "there").get(named.key) is None


def writable_root(root):
    root.chmod(0o777)


def writable_by_the_group(root):
    (root / "v1").chmod(0o770)


def foreign(root):
    os.chown(root, 1, -1)


def foreign_layout(root):
    os.chown(root / "v1", 1, -1)


def link_to_the_layout(root):
    os.rename(root / "v1", root / "v2")
    (root / "v1").symlink_to(root / "v2")


REFUSED = [
    writable_root, writable_by_the_group, link_to_the_layout,
    pytest.param(foreign, marks=as_root), pytest.param(foreign_layout, marks=as_root),
]  # fmt: skip


@pytest.mark.parametrize("change", REFUSED)
def test_where_others_may_write_nothing_is_read_or_written(root, stores, kept, change):
    change(root)
    before = tree(root)
    store = stores(root)
    for entry in kept:
        assert store.get(entry.key) is None
        assert store.load(entry) is None or entry.codec == "plain"
    with pytest.raises(StoreError, match=r"Cannot keep a result in .*`directory`"):
        put(store, make_entry(codec="plain"))
    with pytest.raises(StoreError):
        store.prepare()
    with pytest.raises(StoreError):
        store.gc()
    assert not store.private
    assert not store.writable
    before.pop("v1/token", None)
    assert {name: seen for name, seen in tree(root).items() if name != "v1/token"} == before


def tree(root):
    return {
        str(path.relative_to(root)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in root.rglob("*")
        if not path.is_dir()
    }


def test_once_it_is_mended_it_is_used_again(root, stores, kept):
    root.chmod(0o777)
    store = stores(root)
    assert store.get(kept[0].key) is None
    root.chmod(0o755)
    assert store.get(kept[0].key) == kept[0]
    assert store.private


def test_a_replaced_directory_is_judged_anew(root, stores, kept, tmp_path):
    copied(root, tmp_path / "copy")
    store = stores(root)
    store.version()
    assert store.get(kept[0].key) == kept[0]
    os.rename(root, tmp_path / "old")
    os.rename(tmp_path / "copy", root)
    store.version()
    assert store.get(kept[0].key) is None
    assert not store.private


def planted_link(name):
    def plant(root, elsewhere):
        path = root / "v1" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.symlink_to(elsewhere)

    return plant


@pytest.mark.parametrize("name", ["blobs", "tmp", "trash", "quarantine", "index.db", "repairs"])
def test_links_in_an_unpacked_directory_lead_nowhere(root, stores, kept, tmp_path, name):
    elsewhere = tmp_path / "documents"
    if name in ("index.db", "repairs"):
        elsewhere.write_bytes(b"")
    else:
        elsewhere.mkdir()
        (elsewhere / ("ab" * 16)).write_text("letter")
        os.utime(elsewhere / ("ab" * 16), (0, 0))
    there = tmp_path / "there"
    copied(root, there)
    planted_link(name)(there, elsewhere)
    before = tree(tmp_path / "documents")
    store = stores(there)
    assert store.get(kept[1].key) is None
    with pytest.raises(StoreError):
        put(store, make_entry(codec="plain"), bytes(50_000))
    with pytest.raises(StoreError):
        store.gc(grace=0)
    assert tree(tmp_path / "documents") == before
    assert elsewhere.is_dir() or elsewhere.read_bytes() == b""


def test_a_pipe_in_an_unpacked_directory_is_not_waited_for(root, stores, kept, tmp_path):
    there = tmp_path / "there"
    copied(root, there)
    for blob in (there / "v1" / "blobs").glob("*/*"):
        blob.unlink()
        os.mkfifo(blob)
    (there / "v1" / "settings.json").unlink(missing_ok=True)
    os.mkfifo(there / "v1" / "settings.json")
    store = stores(there)
    assert load(store, kept[1]) is None
    (there / "v1" / "index.db").unlink()
    os.mkfifo(there / "v1" / "index.db")
    store = stores(there)
    assert store.get(kept[1].key) is None
    with pytest.raises(StoreError, match="device"):
        store.prepare()


@pytest.mark.parametrize("is_crude", [False, True])
def test_no_row_of_an_unpacked_index_names_a_file_elsewhere(root, stores, kept, tmp_path, is_crude):
    import apsw

    letter = tmp_path / "letter"
    letter.write_text("dear")
    there = tmp_path / "there"
    copied(root, there)
    connection = apsw.Connection(str(there / "v1" / "index.db"))
    for place in ("trash", "blobs", "quarantine"):
        connection.execute(
            "INSERT INTO files VALUES (?, ?, ?, ?)", (place, "../../../letter", 9_000, 0.0)
        )
    if is_crude:
        connection.execute("PRAGMA writable_schema=1")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', '')")
        connection.close()
        connection = apsw.Connection(str(there / "v1" / "index.db"))
        connection.execute("UPDATE entries SET created = 'long ago', size = 'large'")
        connection.execute("UPDATE entries SET blob = '../../../../letter', stage = x'00'")
    connection.close()
    store = stores(there, limits={"max_size": 1_000_000})
    assert load(store, store.get(kept[1].key)) == [b"q" * 50_000]  # an index is made from blobs
    for _ in range(10):
        put(store, make_entry(codec="plain"), os.urandom(200_000))
    store.gc(grace=0)
    store.verify(repair=True)
    assert letter.read_text() == "dear"


def test_a_link_on_the_way_to_the_directory_is_the_systems_business(stores, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    store = stores(tmp_path / "home" / "cache")
    entry = put(store, make_entry(), bytes(50_000))
    assert store.private
    assert store.get(entry.key) == entry


# --- the secret


def test_of_processes_that_need_a_secret_one_makes_it(tmp_path):
    code = (
        "import sys; from stagecache.stores.disk.secret import secret; sys.stdin.readline(); "
        "print(secret(sys.argv[1], create=True).hex())"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "mine" / "secret")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    found = {worker.communicate("\n")[0] for worker in workers}
    assert len(found) == 1
    assert len(found.pop()) == 65


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_secret_that_others_can_see_is_none(root, stores, tmp_path, mode):
    path = tmp_path / "secret"
    path.write_bytes(bytes(32))
    path.chmod(mode)
    store = stores(root, secret=str(path))
    with pytest.warns(StagecacheWarning, match="chmod 600"):
        store.prepare()
    assert not store.private
    assert put(store, make_entry(codec="plain"), b"kept").has_value


def test_where_no_secret_can_be_made_a_warning_says_so_and_results_are_kept(root, stores, tmp_path):
    (tmp_path / "home").write_text("a file")
    store = stores(root, secret=str(tmp_path / "home" / "secret"))
    with pytest.warns(StagecacheWarning, match=r"your secret cannot be .*STAGECACHE_SECRET"):
        store.prepare()
    assert not store.private
    entry = put(store, make_entry(codec="plain"), b"kept")
    assert store.get(entry.key) == entry


def test_a_link_or_a_short_file_is_no_secret(tmp_path):
    (tmp_path / "short").write_bytes(b"abc")
    (tmp_path / "short").chmod(0o600)
    with pytest.raises(OSError, match="fewer than 32"):
        secret(str(tmp_path / "short"), create=True)
    made = secret(str(tmp_path / "real"), create=True)
    assert len(made) == 32
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match="symbolic links"):
        secret(str(tmp_path / "link"), create=False)


def test_another_secret_is_another_user(root, stores, kept, tmp_path):
    store = stores(root, secret=str(tmp_path / "other"))
    assert store.get(kept[0].key) is None
    assert not store.private


# --- shared by a group


def test_a_shared_directory_is_for_the_group_and_holds_nothing_that_runs_code(root, stores):
    before = os.umask(0o077)
    try:
        store = stores(root, shared=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            store.prepare()
        entry = put(store, make_entry(codec="plain"), bytes(50_000))
        assert not put(store, make_entry(codec="pickle"), b"code").has_value
        store.remove([put(store, make_entry(codec="plain")).key])
        assert store.get(entry.key) == entry
    finally:
        os.umask(before)
    assert not store.private
    assert store.writable
    for path in [root, *root.rglob("*")]:
        if path.parent == root and path.is_file():
            continue  # marks, for backup programs and git
        assert stat.S_IMODE(path.stat().st_mode) == (0o770 if path.is_dir() else 0o660), path
    assert not (root / "v1" / "token").exists()


@as_root
def test_a_shared_directory_may_be_somebody_elses_and_open(root, stores):
    store = stores(root, shared=True)
    entry = put(store, make_entry(codec="plain"), bytes(50_000))
    store.close()
    for path in [root, *root.rglob("*")]:
        os.chown(path, 1, -1)
    (root / "v1").chmod(0o777)
    store = stores(root, shared=True)
    assert store.get(entry.key) == entry
    assert load(store, entry) == [bytes(50_000)]
    assert put(store, make_entry(codec="plain")).has_value


def test_pickles_of_a_private_directory_are_not_read_while_it_is_declared_shared(
    root, stores, kept
):
    store = stores(root, shared=True)
    assert store.get(kept[0].key) is None
    assert store.get(kept[1].key) == kept[1]
    assert stat.S_IMODE((root / "v1").stat().st_mode) == 0o700


# --- tiers


def test_a_result_has_the_form_that_each_tier_takes(root, stores, kept, tmp_path):
    copied(root, tmp_path / "there")
    private, copy = stores(root), stores(tmp_path / "there")
    assert Tiered(MemoryStore(), []).private
    alone = Tiered(MemoryStore(), [private])
    assert (alone.private, alone.far_private) == (True, None)
    tiers = Tiered(MemoryStore(), [private, copy])
    assert (tiers.private, tiers.far_private) == (True, False)
    other = Tiered(MemoryStore(), [copy, private])
    assert (other.private, other.far_private) == (False, True)
    (tmp_path / "there").chmod(0o777)
    refused = stores(tmp_path / "there")
    assert refused.get(kept[0].key) is None
    assert Tiered(MemoryStore(), [refused]).private


def test_near_tiers_and_far_tiers_are_given_what_they_take(root, stores, kept, tmp_path):
    copied(root, tmp_path / "there")
    private, copy = stores(root), stores(tmp_path / "there")
    tiers = Tiered(MemoryStore(), [private, copy])
    key = make_entry().key
    near = put(tiers, make_entry(key, codec="pickle"), b"pickled")
    far = make_entry(key, codec="plain")
    assert tiers.put_far(far, [b"plain"], make_provenance(far), None).has_value
    assert (private.get(key).codec, copy.get(key).codec) == ("pickle", "plain")
    assert load(tiers, near) == [b"pickled"]


def test_what_others_can_have_written_stays_foreign_wherever_it_goes(root, stores, kept, tmp_path):
    copied(root, tmp_path / "there")
    private, copy = stores(root), stores(tmp_path / "there")
    for size in (100, 50_000):  # in its row, in a file of its own
        entry = put(copy, make_entry(codec="plain"), bytes(size))
        tiers = Tiered(MemoryStore(), [private, copy])
        found = tiers.get(entry.key)
        assert found.is_foreign
        assert not tiers.vouches_for(found)
        assert load(tiers, found) == [bytes(size)]
        promoted = private.get(entry.key)
        assert promoted.is_foreign
        assert load(private, promoted) == [bytes(size)]
        assert Tiered(MemoryStore(), [private]).get(entry.key).is_foreign
    private.close()
    for path in (root / "v1").glob("index.db*"):
        path.unlink()
    again = stores(root)
    again.prepare()
    assert again.get(entry.key).is_foreign  # and as an index made from files has it


def test_what_others_can_have_written_is_no_value_of_what_is_ours(root, stores, kept, tmp_path):
    copied(root, tmp_path / "there")
    private, copy = stores(root), stores(tmp_path / "there")
    entry = put(copy, make_entry(codec="plain"), bytes(50_000))
    tiers = Tiered(MemoryStore(), [private, copy])
    assert tiers.load(entry) is None
    assert tiers.load(entry._replace(is_foreign=True)) is not None


def test_a_pickle_that_no_tier_below_takes_is_kept_in_memory(root, stores, kept, tmp_path):
    copied(root, tmp_path / "there")
    tiers = Tiered(MemoryStore(), [stores(tmp_path / "there")])
    entry = put(tiers, make_entry(codec="pickle"), b"mine")
    assert tiers.get(entry.key) == entry
    assert load(tiers, entry) == [b"mine"]
    assert tiers.vouches_for(entry)
    assert not tiers.vouches_for(tiers.get(kept[1].key))


def test_the_codecs_that_run_code_are_known():
    names = ("plain", "array", "arrow", "parquet", "file", "pickle", "cloudpickle")
    assert [name for name in names if not codec(name).safe] == ["pickle", "cloudpickle"]
