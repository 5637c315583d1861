"""A log of marks on a shelf: nobody's mark is lost among many, and what the shelf loses makes
results outdated, never good."""

from __future__ import annotations

import contextlib
import threading

import pytest

from stagecache.errors import ShelfError
from stagecache.marks import Log, Standing, tag_scope
from stagecache.stores.shared.marks import SharedLog
from stagecache.stores.shared.opening import open_shelf
from stagecache.stores.shared.reach import Reach
from stagecache.stores.shared.store import SharedStore
from stagecache.testing.shelves import MemoryShelf

NOW = "team/m1/{marks}now"


@pytest.fixture(params=["memory", "redis", "folder"])
def shelf(request, tmp_path):
    if request.param == "memory":
        yield MemoryShelf()
        return
    if request.param == "redis":
        url = request.getfixturevalue("redis_server").url
    else:
        (tmp_path / "shelf").mkdir()
        url = f"file://{tmp_path}/shelf"
    with contextlib.closing(open_shelf(url)) as shelf:
        yield shelf


def log_on(shelf, *, writes=True, keyring=None):
    return SharedLog(Reach(shelf, None), "team", keyring, writes=writes)


def mark(*tags, soft=False):
    scopes = [tag_scope(tag) for tag in tags]
    return lambda log: log.marked(scopes, soft=soft, by="nodeA", at=0.0)


def tags_of(log):
    return {scope.removeprefix("tag ") for scope in log.marks}


def test_a_mark_reaches_whoever_looks_next(shelf):
    a, b = log_on(shelf), log_on(shelf)
    known = b.read(None)
    assert (known.number, b.read(known)) == (0, known)
    made = a.append(None, mark("fx"))
    assert made.number == 1
    assert b.read(known) == made == log_on(shelf).read(None)


def test_who_is_far_behind_catches_up(shelf):
    a, b = log_on(shelf), log_on(shelf)
    known = b.read(None)
    last = None
    for number in range(40):
        last = a.append(last, mark(f"t{number}"))
    assert b.read(known) == last
    assert len(last.marks) == 40


def test_of_marks_set_at_once_none_is_lost(shelf):
    start = threading.Barrier(8)

    def work(name):
        log = log_on(shelf)
        known = log.read(None)
        start.wait(60)
        for number in range(5):
            known = log.append(known, mark(f"{name}-{number}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    log = log_on(shelf).read(None)
    assert log.number == 40
    assert tags_of(log) == {f"{name}-{number}" for name in range(8) for number in range(5)}


def test_many_who_come_first_at_once_begin_one_log(shelf):
    start, names = threading.Barrier(8), []

    def work():
        log = log_on(shelf)
        start.wait(60)
        names.append(log.read(None).name)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(names)) == 1


def test_an_older_state_that_is_written_late_hides_no_mark():
    shelf = MemoryShelf()
    a, b = log_on(shelf), log_on(shelf)
    first = a.append(None, mark("one"))
    late = shelf.get([NOW])[NOW]
    second = a.append(first, mark("two"))
    shelf.put(NOW, [late], seconds=None, replace=True)
    assert b.read(first) == second
    shelf.put(NOW, [late], seconds=None, replace=True)
    assert log_on(shelf).read(None) == second
    assert shelf.get([NOW])[NOW] != late  # it was put right


def test_a_writer_that_is_killed_before_it_tells_has_told():
    shelf = MemoryShelf()
    a, b = log_on(shelf), log_on(shelf)
    known = b.read(None)
    before = shelf.get([NOW])[NOW]
    made = a.append(known, mark("fx"))
    shelf.put(NOW, [before], seconds=None, replace=True)
    assert b.read(known) == made


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_when_the_shelf_loses_the_log_another_begins(shelf, damage):
    a, b = log_on(shelf), log_on(shelf)
    known = a.append(None, mark("fx"))
    if damage == "gone":
        shelf.remove([NOW])
    else:
        shelf.put(NOW, [b"no marks"], seconds=None, replace=True)
    fresh = b.read(known)
    assert fresh.name != known.name
    assert fresh.number == 0
    assert a.read(known) == fresh
    assert a.append(known, mark("fx")).name == fresh.name


def test_states_that_are_lost_harm_nobody():
    shelf = MemoryShelf()
    a, b = log_on(shelf), log_on(shelf)
    known = b.read(None)
    made = known
    for number in range(5):
        made = a.append(made, mark(f"t{number}"))
    shelf.remove([name for name in list(shelf._values) if name != NOW])
    assert b.read(known) == made == log_on(shelf).read(None)
    assert a.append(made, mark("last")).number == 6


def test_a_log_that_was_given_up_does_not_come_back():
    shelf = MemoryShelf()
    a, b = log_on(shelf), log_on(shelf)
    known = b.read(None)
    old = shelf.get([NOW])[NOW]
    shelf.remove([NOW])
    second = b.read(known)
    shelf.put(NOW, [old], seconds=None, replace=True)  # by somebody who was adding a mark
    third = b.read(second)
    assert third.name not in (known.name, second.name)
    assert a.read(known) == third


def test_a_reader_writes_nothing():
    shelf = MemoryShelf()
    reader = log_on(shelf, writes=False)
    assert reader.read(None) is None
    assert reader.append(None, mark("fx")) is None
    assert not shelf._values
    known = log_on(shelf).append(None, mark("fx"))
    assert reader.read(None) == known
    before = dict(shelf._values)
    assert reader.append(known, mark("eu")) is None
    assert shelf._values == before
    shelf.remove([NOW])
    assert reader.read(known).name == ""
    assert Standing(Log("d0"), reader.read(known), joined=known.name).is_blank is False


def test_out_of_reach_nothing_is_told_and_nothing_is_known_anew():
    shelf = MemoryShelf()
    log = log_on(shelf)
    known = log.read(None)
    shelf.trouble = ShelfError("memory", "gone", is_outage=True)
    with pytest.warns(UserWarning, match="out of reach"):
        assert log.read(known) is None
    assert log.append(known, mark("fx")) is None


def test_a_shelf_that_takes_nothing_is_not_written_over_and_over():
    shelf = MemoryShelf(limit=10)
    log = log_on(shelf)
    with pytest.warns(UserWarning, match="larger than"):
        assert log.read(None) is None
    assert log.append(None, mark("fx")) is None


def test_signed_marks_are_written_only_by_who_has_the_key(tmp_path):
    from stagecache.stores.shared import keyring

    ours, theirs = keyring.make(str(tmp_path / "a")), keyring.make(str(tmp_path / "b"))
    shelf = MemoryShelf()
    known = log_on(shelf, keyring=ours).append(None, mark("fx"))
    before = dict(shelf._values)
    assert log_on(shelf, keyring=theirs).read(None) is None
    assert log_on(shelf, keyring=theirs).append(None, mark("eu")) is None
    unsigned = log_on(shelf)
    assert unsigned.append(known, mark("eu")) is None
    assert shelf._values == before
    # What nobody signed is not believed, and gives way.
    other = MemoryShelf()
    forged = log_on(other).append(None, mark("fx"))
    assert log_on(other, keyring=ours).read(None).name != forged.name


def test_a_bystander_of_one_namespace_sees_nothing_of_another():
    shelf = MemoryShelf()
    known = log_on(shelf).append(None, mark("fx"))
    other = SharedLog(Reach(shelf, None), "other", None, writes=True)
    assert other.read(None).name != known.name


def test_a_shared_store_tells_by_the_shelf_of_its_entries():
    shelf = MemoryShelf()
    store = SharedStore(shelf, namespace="team")
    made = store.team_log.append(None, mark("fx"))
    assert log_on(shelf).read(None) == made
    reader = SharedStore(shelf, namespace="team", role="reader")
    assert reader.team_log.append(made, mark("eu")) is None
