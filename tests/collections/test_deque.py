"""A Deque is a collections.deque that lasts: shared, atomic, its troubles being errors."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import subprocess
import sys
import threading
from collections import deque

import numpy as np
import pytest

from stagecache import Cache
from stagecache.collections import Deque
from stagecache.errors import DecodeError, EncodeError, SettingsError, StoreError


@pytest.fixture
def line(cache):
    return cache.deque("line")


def rows_of(handle, statement, *bindings):
    return handle._items.change(statement.format(table=handle._items.table), bindings)


def test_it_lasts_and_is_the_same_in_every_process(tmp_path):
    with Cache(tmp_path / "c") as cache:
        line = cache.deque("line", maxlen=3)
        line.extend([1, "a", b"x" * 50_000, [2.5]])
    program = (
        "import sys; from stagecache import Cache\n"
        "line = Cache(sys.argv[1]).deque('line')\n"
        "print(line.maxlen, line.popleft(), len(line[0]), line.pop())\n"
        "line.appendleft('from there')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "c")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["3", "a", "50000", "[2.5]"]
    with Cache(tmp_path / "c") as cache:
        assert list(cache.deque("line")) == ["from there", b"x" * 50_000]


def test_what_it_gives_is_the_callers_own(line):
    line.append([1])
    line[0].append(2)
    line.peek().append(3)
    next(iter(line)).append(4)
    copied = line.copy()
    copied.append("more")
    copied[0].append(5)
    assert list(line) == [[1]]
    assert type(copied) is deque


def test_a_copy_is_no_alias(cache):
    line = cache.deque("line", maxlen=2)
    line.extend([1, 2])
    copied = line.copy()
    copied.append(3)
    assert (list(copied), list(line), copied.maxlen) == ([2, 3], [1, 2], 2)
    for copy_of in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="by its name"):
            copy_of(line)


def test_maxlen_is_kept_with_it_and_another_one_refused(cache, tmp_path):
    cache.deque("line", maxlen=2).append(1)
    other = Cache(tmp_path / "cache")
    line = other.deque("line")
    line.extend("abc")
    assert list(line) == ["b", "c"]
    with pytest.raises(IndexError, match="maximum size"):
        line.insert(0, "x")
    assert repr(line) == "Deque('line', ['b', 'c'], maxlen=2)"
    with pytest.raises(SettingsError, match=r"maxlen=2.*maxlen=3"):
        other.deque("line", maxlen=3)
    cache.index("i")["k"] = 1
    with pytest.raises(SettingsError, match="no deque"):
        cache.deque("i")
    other.close()


@pytest.mark.parametrize("wrong", [-1, True, "2", 1.0])
def test_a_length_that_is_none_is_an_error_at_the_call(cache, wrong):
    with pytest.raises(SettingsError, match="maxlen"):
        cache.deque("line", wrong)


def test_what_no_codec_holds_is_an_error_and_changes_nothing(line):
    line.append(1)
    for use in (
        line.append, line.appendleft, lambda bad: line.extend([2, bad]),
        lambda bad: line.insert(0, bad), lambda bad: line.__setitem__(0, bad),
    ):  # fmt: skip
        with pytest.raises(EncodeError, match="lock"):
            use(threading.Lock())
    with pytest.raises(ZeroDivisionError):
        line.extend(1 / n for n in (1, 0))
    assert list(line) == [1]


def test_wrong_places_are_errors(line):
    line.append(1)
    for use in (
        lambda: line["0"], lambda: line[0:1], lambda: line.insert("0", 1), lambda: line.rotate(0.5),
        lambda: line.__delitem__(1.0),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            use()
    line.clear()
    for use in (line.pop, line.popleft, line.peek, line.peekleft):
        with pytest.raises(IndexError):
            use()
    assert not line


def test_only_deques_compare_with_it(cache):
    a, b = cache.deque("a"), cache.deque("b")
    a.extend([1, 2])
    b.extend([1, 3])
    assert a < b <= deque([1, 3])
    assert deque([1, 2]) == a
    assert a != [1, 2]
    with pytest.raises(TypeError):
        sorted([a, [1]])
    with pytest.raises(TypeError, match="unhashable"):
        hash(a)


def test_a_value_that_cannot_be_decoded_here_stays(line, monkeypatch):
    line.append(np.arange(3))
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setattr(pickle, "loads", _refuse)
    with pytest.raises(DecodeError, match="'line'"):
        line.popleft()
    monkeypatch.undo()
    assert line.popleft().tolist() == [0, 1, 2]


def _refuse(*_, **__):
    raise ImportError("not here")


def test_a_damaged_item_is_an_error_and_can_be_let_go(line):
    line.extend([1, 2, 3])
    rows_of(line, "UPDATE {table} SET seal = 7 WHERE id = 2")
    with pytest.raises(StoreError, match=r"damaged.*verify"):
        line[1]
    del line[1]
    assert list(line) == [1, 3]


def test_a_repair_leaves_no_gap(cache, line):
    line.extend(range(6))
    rows_of(line, "UPDATE {table} SET seal = 7 WHERE id IN (2, 3)")
    assert [problem.kind for problem in cache.verify(repair=True)] == ["item", "item"]
    assert (list(line), len(line), line[1], line[-1]) == ([0, 3, 4, 5], 4, 3, 5)


def test_what_is_saved_of_a_damaged_file_has_no_gap(tmp_path):
    with Cache(tmp_path / "c") as cache:
        cache.deque("line").extend(b"%d" % n * 300 for n in range(500))
    path = tmp_path / "c" / "v1" / "collections" / "items.db"
    with path.open("r+b") as stream:
        stream.seek(20 * 4096)
        stream.write(os.urandom(3 * 4096))
    with Cache(tmp_path / "c") as cache:
        line = cache.deque("line")
        with pytest.warns(UserWarning, match=r"'line': \d+ items saved"):
            found = list(line) or list(line)
        assert 400 < len(line) < 500
        assert [line[number] for number in range(len(line))] == list(line)
        assert set(found) <= {b"%d" % n * 300 for n in range(500)}


def test_a_transaction_over_several_is_undone_as_a_whole(cache, line):
    done = cache.index("done")
    line.extend("ab")
    with pytest.raises(ZeroDivisionError), line.transact():  # noqa: PT012
        done[line.popleft()] = True
        line.append("c")
        line.rotate()
        assert (list(line), dict(done)) == (["c", "b"], {"a": True})
        raise ZeroDivisionError
    assert (list(line), dict(done)) == (["a", "b"], {})


def test_each_item_is_taken_once_by_threads_and_processes(line, cache):
    line.extend(range(600))
    program = (
        "import sys; from stagecache import Cache\n"
        "line = Cache(sys.argv[1]).deque('line')\n"
        "while True:\n"
        "    try: print(line.popleft() if sys.argv[2] == 'left' else line.pop())\n"
        "    except IndexError: break"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, cache.directory, side], stdout=subprocess.PIPE
        )
        for side in ("left", "right")
    ]
    mine = []

    def take():
        while line:
            try:
                mine.append(line.popleft())
            except IndexError:
                return

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    taken = mine + [int(number) for output in outputs for number in output.split()]
    assert sorted(taken) == list(range(600))


def test_iteration_ends_where_the_end_was(line):
    line.extend(range(3))
    for value in line:
        line.append(value)
    for value in reversed(line):
        line.appendleft(value)
    assert len(line) == 12


def test_a_forked_child_goes_on_with_it(line):
    line.append("parent")
    child = os.fork()
    if not child:
        try:
            line.append("child")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    line.append("parent again")
    assert list(line) == ["parent", "child", "parent again"]


def test_coroutines_use_it_too(line):
    async def use():
        await line.aappend(1)
        await line.aappendleft(0)
        await line.aextend([2, 3])
        assert (await line.apop(), await line.apopleft()) == (3, 0)
        return await line.atransact(lambda: [line.popleft(), line.popleft()])

    assert asyncio.run(use()) == [1, 2]


def test_it_is_counted_and_its_large_values_go_with_it(line, cache, tmp_path):
    line.extend([b"x" * 30_000, b"y" * 10])
    assert line.stats() == (2, 30_010)
    assert [tuple(each) for each in cache.collections()] == [("line", "deque", 2, 30_010)]
    blobs = tmp_path / "cache" / "v1" / "collections" / "blobs"
    line[0] = line[0] + b"x"
    assert len([path for path in blobs.rglob("*") if path.is_file()]) == 1
    assert line.popleft() == b"x" * 30_001
    assert not [path for path in blobs.rglob("*") if path.is_file()]
    assert cache.verify() == []


def test_it_is_a_deque_wherever_its_ids_are(line):
    assert isinstance(line, Deque)
    for _ in range(3):
        line.appendleft("x")
        assert line.pop() == "x"
    line.append("a")
    line.append("b")
    assert list(line) == ["a", "b"]
