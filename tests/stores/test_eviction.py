"""Values give way when a directory is full: the bound holds, rows stay, nobody gets an error."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecache.errors import DoesNotFitError, StagecacheWarning
from stagecache.stores.disk import DiskStore
from stagecache.stores.memory import MemoryStore
from stagecache.stores.policies import POLICIES
from stagecache.stores.tiered import Tiered
from stagecache.testing.clock import FakeClock
from stagecache.testing.stores import load, make_entry, put, put_part

BOUND = 1_500_000


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def bounded(root):
    opened = []

    def open_bounded(max_size=BOUND, **limits):
        store = DiskStore(root, limits={"max_size": max_size, **limits})
        opened.append(store)
        return store

    yield open_bounded
    for store in opened:
        store.close()


def taken(root):
    """Bytes on disk of all files."""
    total, folders = 0, [root / "v1"]
    while folders:
        with os.scandir(folders.pop()) as found:
            for entry in found:
                if entry.is_dir():
                    folders.append(entry.path)
                else:
                    total += entry.stat().st_size
    return total


def key_of(number):
    return b"%016d" % number


SIZES = {
    "in rows of 4 kB": lambda number: 4_000,
    "in rows of 300 bytes": lambda number: 300,
    "in files": lambda number: 60_000,
    "in both": lambda number: 200_000 if number % 20 == 0 else 700 if number % 3 else 15_000,
}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_the_bound_holds_after_every_put_of_several_times_as_much(bounded, root, size):
    store, written, number = bounded(), 0, 0
    while written < 3 * BOUND:
        entry = put(
            store, make_entry(key_of(number), created=1e9 + number), os.urandom(size(number))
        )
        assert load(store, entry) is not None
        assert taken(root) <= BOUND, number
        written += size(number) + 1_000
        number += 1
    valued = [entry for entry, _ in store.entries() if entry.has_value]
    assert sum(entry.size for entry in valued) > BOUND / 5
    assert store._files.differing(store._index) == []
    assert store.verify() == []


def fill(store, count=40, size=60_000, **fields):
    """Put values until some have given way; return the entries as they were put."""
    return [
        put(
            store,
            make_entry(key_of(number), created=1e9 + number, **fields),
            number.to_bytes(4, "big") * (size // 4),
        )
        for number in range(count)
    ]


def kept(store, entries):
    return [number for number, entry in enumerate(entries) if store.get(entry.key).has_value]


def bare(entry):
    return entry._replace(inline=None, blob=None)


@pytest.mark.parametrize("size", [9_000, 60_000])
def test_a_value_that_gave_way_leaves_its_row(bounded, size):
    store = bounded(eviction="lru")
    entries = fill(store, 3 * BOUND // size // 2, size)
    gone = [entry for entry in entries if store.get(entry.key) == bare(entry)]
    assert len(gone) > 10
    assert store.get_many([entry.key for entry in gone]) == {e.key: bare(e) for e in gone}
    assert store.verify() == []


def test_rows_without_a_value_are_bounded_too_and_the_oldest_go(bounded):
    store = bounded(eviction="lru")
    entries = fill(store, 400, 20_000)
    rows = [number for number, entry in enumerate(entries) if store.get(entry.key)]
    bare = set(rows) - {n for n in rows if store.get(entries[n].key).has_value}
    assert 20 < len(bare) <= BOUND // 20 // 1_024
    assert rows == list(range(rows[0], 400))


def test_who_has_the_entry_in_hand_gets_its_bytes_or_a_miss_and_maps_stay(bounded, root):
    store = bounded(eviction="lru")
    early = put(store, make_entry(created=1.0), b"early" * 80_000)
    (mapped,) = store.load(early)
    reader = DiskStore(root)
    for number in range(40):
        put(store, make_entry(key_of(number), created=2.0), os.urandom(60_000))
        assert load(reader, early) in ([b"early" * 80_000], None)
    assert load(reader, early) is None
    assert bytes(mapped) == b"early" * 80_000
    reader.close()


def test_the_trash_is_read_as_long_as_it_has_room(bounded):
    store = bounded(eviction="lru")
    number = 0
    first = put(store, make_entry(created=1.0), os.urandom(60_000))
    while store.get(first.key).has_value:
        last = put(store, make_entry(key_of(number), created=2.0 + number), os.urandom(60_000))
        number += 1
    in_trash = [entry for entry, _ in store.entries() if not entry.has_value]
    assert last.has_value
    assert len(in_trash) > 1
    # The oldest made room, the youngest is there for who still wants it.
    assert store._index.select("SELECT count(*) FROM files WHERE place = 'trash'") == [
        (len(in_trash) - 1,)
    ]


def test_a_value_comes_back_under_its_row(bounded):
    store = bounded(eviction="lru")
    entries = fill(store)
    first = entries[0]._replace(inline=None, blob=None)
    again = put(store, first, bytes(60_000))
    assert again.has_value
    assert load(store, store.get(first.key)) == [bytes(60_000)]
    other = put(store, make_entry(entries[1].key, created=3.0), b"another result")
    assert not other.has_value  # of the same generation: it does not replace
    newer = put(store, make_entry(entries[1].key, generation=1), b"another result")
    assert load(store, newer) == [b"another result"]


def test_a_blob_of_two_rows_goes_for_both_and_stays_for_the_one_in_use(bounded):
    store = bounded(eviction="lru")
    shared, hot = os.urandom(60_000), os.urandom(60_000)
    cold = [put(store, make_entry(created=1.0), shared) for _ in range(2)]
    pair = [put(store, make_entry(created=1.0), hot) for _ in range(2)]
    store.count_use(pair[1].key, 1.0)
    fill(store, 30)
    assert [store.get(entry.key).has_value for entry in cold] == [False, False]
    assert [store.get(entry.key).has_value for entry in pair] == [True, True]


def test_what_a_reader_remembers_of_a_blob_is_forgotten_with_it(bounded, root):
    reader = DiskStore(root)
    tiers = Tiered(MemoryStore(), [reader])
    store = bounded(eviction="lru")
    first = put(store, make_entry(created=1.0), os.urandom(60_000))
    assert tiers.get(first.key).has_value
    fill(store)
    assert not tiers.get(first.key).has_value
    tiers.close()


def test_what_was_used_lately_stays_though_its_uses_are_not_written_yet(bounded):
    store = bounded(eviction="lru")
    entries = fill(store, 20)
    for entry in entries[:3]:
        store.count_use(entry.key, 1.0)
    more = [put(store, make_entry(created=1.1e9), os.urandom(60_000)) for _ in range(8)]
    assert kept(store, entries)[:3] == [0, 1, 2]
    assert 3 not in kept(store, entries)
    assert all(store.get(entry.key).has_value for entry in more)


def test_parts_go_with_what_holds_them_unless_another_does(bounded):
    store = bounded(eviction="lru")
    shared = b"s" * 60_000
    cold, hot = (
        [
            put_part(store, make_entry(name + bytes([place]), stage=""), name, content)
            for place, content in enumerate((shared, name * 4_000))
        ]
        for name in (b"a cold one      "[:15], b"a hot one       "[:15])
    )
    holders = [
        put(store, make_entry(created=created, parts=tuple(p.key for p in parts)), b"%d" % created)
        for created, parts in ((1, cold), (2, hot))
    ]
    store.remove([b"a cold one     ", b"a hot one      "])  # their writers are done
    assert cold[0].blob == hot[0].blob
    store.count_use(holders[1].key, 1.0)
    fill(store, 25)
    assert [store.get(holder.key).has_value for holder in holders] == [False, True]
    assert [store.get(part.key) for part in cold] == [None, None]
    assert [load(store, part) for part in hot] == [[shared], [b"a hot one      " * 4_000]]
    assert store.verify() == []


def test_a_value_larger_than_the_bound_is_refused_and_nothing_gives_way_for_it(bounded, root):
    store = bounded()
    entries = fill(store, 10)
    with pytest.raises(
        DoesNotFitError, match=r"`etl:huge` \(2,000,000 bytes\).*1,500,000"
    ) as caught:
        put(store, make_entry(stage="etl:huge"), bytes(2_000_000))
    assert pickle.loads(pickle.dumps(caught.value)).stage == "etl:huge"
    assert len(kept(store, entries)) == 10
    assert taken(root) <= BOUND


def test_what_finds_no_room_is_in_memory_with_one_warning_for_each_stage(bounded):
    tiers = Tiered(MemoryStore(), [bounded()])
    for stage in ("etl:one", "etl:other"):
        with pytest.warns(StagecacheWarning, match=f"`{stage}`.*max_size"):
            put(tiers, make_entry(stage=stage), bytes(2_000_000))
        entry = put(tiers, make_entry(stage=stage), bytes(2_000_000))
        assert load(tiers, entry) is not None


@pytest.mark.parametrize("size", [9_000, 60_000])
def test_with_no_eviction_what_does_not_fit_is_refused(bounded, root, size):
    store = bounded(eviction="none")
    entries = []
    with suppress(DoesNotFitError):
        while len(entries) * size < BOUND:
            entries.append(put(store, make_entry(key_of(len(entries))), os.urandom(size)))
    assert len(entries) > 0.7 * BOUND / size
    assert len(kept(store, entries)) == len(entries)
    assert taken(root) <= BOUND
    store.remove([entry.key for entry in entries[:5]])
    assert put(store, make_entry(), bytes(size)).has_value


def test_another_process_without_settings_respects_the_bound(bounded, root):
    put(bounded(eviction="lrs"), make_entry())
    other = DiskStore(root)
    assert other.bound()[:2] == (BOUND, "lrs")
    fill(other)
    assert taken(root) <= BOUND
    lifted = DiskStore(root, limits={"max_size": None})
    put(lifted, make_entry())
    fill(other, 60)
    assert other.bound()[:2] == (None, "lrs")
    assert taken(root) > BOUND
    lifted.close()
    other.close()


@pytest.mark.parametrize("text", ["", "[]", '{"max_size": -1}', '{"max_size": "x", "eviction": 3}'])
def test_settings_that_cannot_be_understood_are_none(root, text):
    (root / "v1").mkdir(parents=True)
    (root / "v1" / "settings.json").write_text(text)
    store = DiskStore(root)
    assert store.bound() == (None, "cost", 0)


def test_an_index_made_anew_has_the_account(bounded, root):
    store = bounded()
    fill(store, 10)
    store.close()
    for path in (root / "v1").glob("index.db*"):
        path.unlink()
    anew = bounded()
    assert len(list(anew.entries())) == 10
    assert anew._files.differing(anew._index) == []
    fill(anew)
    assert taken(root) <= BOUND


def test_gc_mends_an_account_that_is_wrong(bounded, root):
    store = bounded()
    entries = fill(store, 5)
    (root / "v1" / "blobs" / entries[0].blob.hex()[:2] / entries[0].blob.hex()).unlink()
    (root / "v1" / "blobs" / "00").mkdir(exist_ok=True)
    (root / "v1" / "blobs" / "00" / bytes(16).hex()).write_bytes(bytes(500))
    assert len(store._files.differing(store._index)) == 2
    store.gc()
    assert store._files.differing(store._index) == []


def test_an_index_full_of_notes_gives_up_the_older_ones(bounded, root):
    store = bounded()
    for number in range(30):
        for fact in range(400):
            store.remember("file", b"%08d" % (number * 1000 + fact), os.urandom(200))
        put(store, make_entry(key_of(number)), os.urandom(60_000))
        assert taken(root) <= BOUND


def test_listeners_hear_what_gave_way_by_stage(bounded):
    store = bounded()
    heard = []
    store.evicted.append(heard.append)
    entries = fill(store, stage="etl:clean")
    assert {part.stage for part in heard} == {"etl:clean"}
    assert sum(part.values for part in heard) == len(entries) - len(kept(store, entries))
    assert sum(part.bytes for part in heard) == 60_000 * sum(part.values for part in heard)


def test_gc_forgets_what_is_old_or_of_a_stage(root):
    clock = FakeClock(1_000_000.0)
    store = DiskStore(root, clock=clock)
    old, used, new = (
        put(store, make_entry(stage="a:old", created=time), os.urandom(50_000))
        for time in (1000.0, 2000.0, 999_000.0)
    )
    other = put(store, make_entry(stage="b:other", created=1000.0))
    store.count_use(used.key, 1.0)
    would = store.gc(older_than=3600.0, stages=["a:old"], dry_run=True)
    assert (would.results, would.bytes) == (1, 50_000)
    assert store.get(old.key).has_value
    assert store.gc(older_than=3600.0, stages=["a:old"]) == would._replace(dry_run=False)
    assert [store.get(e.key) is not None for e in (old, used, new, other)] == [False, *[True] * 3]
    assert store.gc(older_than=3600.0).results == 1
    assert store.gc(stages=["a:old"]).results == 2
    assert list(store.entries()) == []
    assert store._files.differing(store._index) == []
    store.close()


def test_gc_lets_values_give_way_down_to_a_size(root):
    store = DiskStore(root)
    entries = fill(store)
    would = store.gc(max_size=BOUND, dry_run=True)
    assert len(kept(store, entries)) == 40
    done = store.gc(max_size=BOUND)
    assert abs(done.values - would.values) <= 1
    assert len(kept(store, entries)) == 40 - done.values > 15
    assert taken(root) <= BOUND
    assert store.bound().max_size is None
    store.close()


class Putter:
    """Puts, gets and forgets at random, and knows what a bounded store has to keep."""

    def __init__(self, store, root):
        self.store, self.root, self.values = store, root, {}

    def put(self, number, size, generation):
        value = random.Random(number * 7 + size).randbytes(size)
        entry = make_entry(
            key_of(number), generation=generation, created=1e9 + number, result=bytes(16)
        )
        with suppress(DoesNotFitError):
            standing = put(self.store, entry, value)
            if standing.generation == generation and standing.size == size:
                self.values[key_of(number)] = value
            assert standing.generation >= generation

    def look(self, number):
        entry = self.store.get(key_of(number))
        if entry is not None and entry.has_value:
            assert load(self.store, entry) == [self.values[key_of(number)]]
            self.store.count_use(entry.key, entry.seconds)

    def forget(self, number):
        self.store.remove([key_of(number)])


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "look", "forget"]),
        st.integers(0, 30),
        st.sampled_from([0, 50, 3_000, 16_000, 17_000, 90_000, 260_000]),
        st.integers(0, 1),
    ),
    max_size=60,
)


@settings(max_examples=25, deadline=None)
@given(STEPS, st.sampled_from(sorted(POLICIES)), st.sampled_from([600_000, 1_500_000]))
def test_whatever_is_done_the_bound_holds_and_the_account_is_right(steps, eviction, bound):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "cache"
        store = DiskStore(root, limits={"max_size": bound, "eviction": eviction})
        putter, written = Putter(store, root), 0
        for step, number, size, generation in steps:
            if step == "put":
                putter.put(number, size, generation)
                written += size + 1_000
                assert taken(root) <= bound
            elif step == "look":
                putter.look(number)
            else:
                putter.forget(number)
        assert store._files.differing(store._index) == []
        if written < bound * 0.6:  # nothing had to give way
            assert all(entry.has_value for entry, _ in store.entries())
        assert store.verify() == []
        store.close()


WORKER = """
import os, sys
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, put
store = DiskStore(sys.argv[1])
number = int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
def total(path):
    size = 0
    for entry in os.scandir(path):
        try:
            size += total(entry.path) if entry.is_dir() else entry.stat().st_size
        except FileNotFoundError:
            pass
    return size
most = 0
for i in range(40):
    value = os.urandom((300, 9_000, 30_000, 120_000)[i % 4])
    entry = put(store, make_entry(created=1e9 + i), value)
    assert load(store, entry) in ([value], None)
store.close()
"""


def test_eight_processes_put_into_a_small_bound_without_an_error(bounded, root):
    bound = 4_000_000
    put(bounded(bound), make_entry())
    workers = [start(WORKER, root, number) for number in range(8)]
    start_together(workers)
    assert [worker.communicate(timeout=100)[1] for worker in workers] == [""] * 8
    assert taken(root) <= bound
    store = DiskStore(root)
    assert store._files.differing(store._index) == []
    assert store.verify() == []
    assert sum(entry.size for entry, _ in store.entries() if entry.has_value) > bound / 3
    store.close()


def start(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def start_together(workers):
    for worker in workers:
        assert worker.stdout.readline() == "ready\n", worker.communicate()[1]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()


def test_items_count_and_never_give_way(tmp_path):
    store = DiskStore(tmp_path / "cache", limits={"max_size": 4 << 20})
    letters = store.items.open("letters", "index")
    for number in range(10):
        letters.set(b"%d" % number, "bytes", [bytes([number]) * 200_000])
    for number in range(40):
        put(store, make_entry(), bytes([number]) * 100_000)
    assert letters.count() == 10
    assert store.items.size() > 2_000_000
    assert store.items.size() < store.bound().used <= 4 << 20
    assert len([e for e, _ in store.entries() if e.has_value]) < 20
    store.close()
