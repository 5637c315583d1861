"""Tiers as one store: order, promotion, trust in copies, and trouble that costs one warning."""

from __future__ import annotations

import os
import warnings

import apsw
import pytest

from stagecache.errors import StagecacheWarning, StoreError
from stagecache.model import CodeManifest, RunRecord
from stagecache.stores.disk import DiskStore
from stagecache.stores.memory import MemoryStore
from stagecache.stores.tiered import Tiered
from stagecache.testing.stores import StoreContract, load, make_entry, make_provenance, put

RUN = RunRecord("nightly", 5.0, 1.0, ("a",), 2, (), 3.0)


class TestContractOverDisk(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        store = Tiered(MemoryStore(), [DiskStore(tmp_path / "cache")])
        yield store
        store.close()


class TestContractInMemory(StoreContract):
    @pytest.fixture
    def store(self):
        return Tiered(MemoryStore())


class TestContractOverTwo(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        store = Tiered(MemoryStore(), [DiskStore(tmp_path / "near"), DiskStore(tmp_path / "far")])
        yield store
        store.close()


@pytest.fixture
def disk(tmp_path):
    disk = DiskStore(tmp_path / "cache")
    yield disk
    disk.close()


@pytest.fixture
def tiers(disk):
    tiers = Tiered(MemoryStore(), [disk])
    yield tiers
    tiers.close()


@pytest.fixture
def blocked(tmp_path):
    """Tiers whose directory cannot be made: a file is in the way."""
    (tmp_path / "file").write_text("in the way")
    tiers = Tiered(MemoryStore(), [DiskStore(tmp_path / "file" / "cache")])
    yield tiers
    tiers.close()


def test_a_copy_in_memory_is_the_very_entry_that_was_found(tiers, disk):
    entry = put(disk, make_entry())
    with tiers.reading():
        assert tiers.get(entry.key) is tiers.get(entry.key)
    assert tiers.get(entry.key) is tiers.get(entry.key)


def test_a_replacement_by_another_store_is_seen_at_once(tiers, disk, tmp_path):
    old = put(tiers, make_entry(), b"old")
    assert tiers.get(old.key) == old
    other = DiskStore(tmp_path / "cache")
    new = put(other, make_entry(old.key, generation=1), b"new")
    assert tiers.get(old.key) == new
    assert tiers.get_many([old.key]) == {old.key: new}
    other.close()


def test_a_replacement_of_ones_own_is_seen_at_once(tiers):
    old = put(tiers, make_entry(), b"old")
    new = put(tiers, make_entry(old.key, generation=1), b"new")
    assert tiers.get(old.key) == new
    tiers.remove([old.key])
    assert tiers.get(old.key) is None


def test_new_results_of_others_do_not_empty_the_memory(tiers, disk):
    entry = put(tiers, make_entry())
    found = tiers.get(entry.key)
    put(disk, make_entry())
    assert tiers.get(entry.key) is found


def test_what_is_found_far_is_kept_near_when_it_is_loaded(tmp_path):
    near, far = DiskStore(tmp_path / "near"), DiskStore(tmp_path / "far")
    tiers = Tiered(MemoryStore(), [near, far])
    value = os.urandom(50_000)
    entry = put(far, make_entry(), value)
    assert tiers.get(entry.key) == entry
    assert load(tiers, entry) == [value]
    assert near.get(entry.key) == entry
    assert load(near, entry) == [value]
    tiers.close()


def test_a_write_goes_to_every_tier(tmp_path):
    near, far = DiskStore(tmp_path / "near"), DiskStore(tmp_path / "far")
    tiers = Tiered(MemoryStore(), [near, far])
    entry = put(tiers, make_entry(), bytes(50_000))
    assert near.get(entry.key) == far.get(entry.key) == entry
    assert tiers.remove([entry.key]) == 1
    assert near.get(entry.key) is far.get(entry.key) is None
    tiers.close()


def test_a_directory_that_cannot_be_made_costs_one_warning_and_no_result(blocked):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        entries = [put(blocked, make_entry(), bytes(size)) for size in (10, 50_000, 500_000)]
        blocked.prepare()
        blocked.record_run(RUN)
    assert len(caught) == 1
    message = str(caught[0].message)
    for part in (
        "Cannot keep a result in",
        "A file is where a directory should be",
        "choose another `directory`",
        "in this process's memory only",
    ):
        assert part in message
    for entry in entries:
        assert blocked.get(entry.key) == entry
        assert load(blocked, entry) == [bytes(entry.size)]


def test_what_fails_in_the_wake_of_a_trouble_costs_no_warning_until_the_store_works_again(tmp_path):
    disk = DiskStore(tmp_path / "cache")
    tiers = Tiered(MemoryStore(), [disk])

    def told_of(*causes):
        with warnings.catch_warnings(record=True) as caught, pytest.MonkeyPatch.context() as patch:
            warnings.simplefilter("always")
            for cause in causes:

                def fail(*_, cause=cause):
                    raise StoreError(f"Cannot: {cause!r}.") from cause

                patch.setattr(disk, "put", fail)
                put(tiers, make_entry())
        return len(caught)

    assert told_of(OSError(28, "full"), apsw.CantOpenError("no log"), OSError(5, "EIO")) == 1
    put(tiers, make_entry())
    assert told_of(OSError(28, "full"), OSError(5, "EIO"), OSError(30, "read-only")) == 1
    tiers.close()


def test_in_trouble_people_are_shown_what_is_in_memory(blocked):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        entry = make_entry()
        manifest = CodeManifest(entry.code, ())
        entry = blocked.put(entry, [b"v" * 100], make_provenance(entry), manifest)
        blocked.record_run(RUN)
        assert list(blocked.entries()) == [(entry, make_provenance(entry))]
        assert list(blocked.entries(stage="other:stage")) == []
        assert blocked.find(entry.key.hex()[:5].upper()) == [entry.key]
        assert blocked.manifest(entry.code) == manifest
        assert [(s.stage, s.entries, s.bytes) for s in blocked.stages()] == [
            ("project:stage", 1, 100)
        ]
        assert blocked.runs() == [RUN]
        assert blocked.stats().entries == 1
        assert blocked.remove([entry.key]) == 1
        assert list(blocked.entries()) == []


def test_without_a_disk_uses_runs_and_facts_are_noted_all_the_same():
    tiers = Tiered(MemoryStore())
    entry = put(tiers, make_entry())
    tiers.count_use(entry.key, 2.5)
    tiers.record_run(RUN)
    tiers.remember("file", b"key", b"value")
    assert tiers.recall("file", b"key") == b"value"
    assert tiers.recall("code", b"key") is None
    assert tiers.total_saved() == 2.5
    assert tiers.stages()[0].uses == 1
    assert tiers.runs(1) == [RUN]
    assert tiers.gc().bytes == 0
    assert tiers.verify() == []


class Failing:
    """A store in trouble with everything."""

    def __init__(self):
        self.asked = 0

    def fail(self, *_, **__):
        self.asked += 1
        raise StoreError("It is broken.")

    get = get_many = put = load = remove = close = version = reading = fail
    entries = listed = manifest = find = stages = record_run = runs = stats = total_saved = fail
    gc = prepare = verify = fail
    count_use = remember = recall = staticmethod(lambda *_: None)  # by contract never raise


def test_no_question_to_a_broken_tier_fails_the_job():
    tiers = Tiered(MemoryStore(), [Failing()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StagecacheWarning)
        entry = put(tiers, make_entry(), bytes(50_000))
        with tiers.reading():
            assert tiers.get(entry.key) == entry
        assert tiers.get(entry.key) == entry
        assert tiers.get_many([entry.key, bytes(16)]) == {entry.key: entry}
        assert load(tiers, entry) == [bytes(50_000)]
        assert tiers.load(make_entry(blob=bytes(16))) is None
        tiers.prepare()
        tiers.record_run(RUN)
        tiers.count_use(entry.key, 1.0)
        tiers.remember("file", b"key", b"value")
        assert tiers.recall("file", b"key") is None
        assert tiers.runs() == [RUN]
        assert len(list(tiers.entries())) == len(tiers.stages()) == tiers.stats().entries == 1
        assert tiers.find("") == [entry.key]
        assert tiers.manifest(entry.code) is None
        assert tiers.listed(entry.key)[0] == entry
        assert tiers.listed(bytes(16)) is None
        assert tiers.total_saved() == 0.0
        assert tiers.gc().blobs == 0
        assert [str(problem) for problem in tiers.verify()] == ["It is broken."]
        assert tiers.remove([entry.key]) == 1
        tiers.close()


def test_a_warning_that_is_an_error_comes_after_the_result_is_kept():
    tiers = Tiered(MemoryStore(), [Failing()])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        entry = make_entry()
        with pytest.raises(StagecacheWarning):
            put(tiers, entry)
    assert tiers._memory.get(entry.key) is not None


def test_a_tier_that_recovers_is_used_again(tmp_path):
    (tmp_path / "place").write_text("in the way")
    tiers = Tiered(MemoryStore(), [disk := DiskStore(tmp_path / "place" / "cache")])
    with pytest.warns(StagecacheWarning):
        before = put(tiers, make_entry())
    (tmp_path / "place").unlink()
    after = put(tiers, make_entry())
    assert disk.get(after.key) == after
    assert tiers.get(before.key) == before
    tiers.close()
