"""What a body reads of an index or a deque is an input of its result, as a file is."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

import stagecache


@pytest.fixture
def rates(cache):
    return cache.index("rates")


_LOOKS = {
    "an item": lambda rates: rates["a"],
    "an item that may be missing": lambda rates: rates.get("a"),
    "whether there is an item": lambda rates: "b" in rates,
    "a few": lambda rates: rates.get_many(["a", "b"]),
    "the keys": list,
    "all items": lambda rates: list(rates.items()),
    "their number": len,
    "the last": lambda rates: rates.peekitem(),
}


@pytest.mark.parametrize("look", _LOOKS.values(), ids=list(_LOOKS))
def test_what_a_body_reads_of_an_index_counts(rates, look):
    @stagecache.stage
    def work() -> object:
        return look(rates)

    def asked(**items):
        rates.clear()
        rates.update(items)
        before = work.is_cached()
        assert work() == look(rates)
        return before

    assert [asked(a=5), asked(a=5), asked(a=6, b=1), asked(a=5)] == [False, True, False, True]


def test_items_that_a_body_does_not_read_do_not_count(rates):
    @stagecache.stage
    def work() -> object:
        return rates["a"]

    rates["a"] = 5
    assert work() == 5
    rates["b"] = 7
    assert work.is_cached()


def test_an_index_that_a_body_opens_by_its_name_counts(cache):
    @stagecache.stage
    def work() -> object:
        return cache.index("rates").get("a")

    assert work() is None
    cache.index("rates")["a"] = 5
    assert not work.is_cached()
    assert work() == 5


def test_another_index_is_another_input(cache):
    def made(name):
        rates = cache.index(name)

        @stagecache.stage
        def work() -> object:
            return rates["a"]

        return work

    cache.index("one")["a"] = 1
    cache.index("two")["a"] = 2
    assert (made("one")(), made("two")()) == (1, 2)
    assert made("one").is_cached()


def test_a_deque_counts_as_a_whole(cache):
    days = cache.deque("days")
    days.append(1)

    @stagecache.stage
    def first() -> object:
        return days[0]

    @stagecache.stage
    def every() -> object:
        return list(days)

    assert (first(), every()) == (1, [1])
    assert first.is_cached()
    days.append(2)
    assert not every.is_cached()
    assert every() == [1, 2]


def test_an_index_that_a_body_fills_is_its_memo_and_reruns_nothing(rates):
    @stagecache.stage
    def work(x: int) -> object:
        if x not in rates:
            rates[x] = x * 2
        rates.incr("calls")
        return rates[x]

    @stagecache.stage
    def made(x: int) -> object:
        return rates.get_or_create(("made", x), lambda: x)

    assert [work(1), work(2), made(1)] == [2, 4, 1]
    assert all((work.is_cached(1), work.is_cached(2), made.is_cached(1)))


def test_an_index_that_a_body_only_sets_is_its_memo_as_well(rates):
    rates["there"] = 1

    @stagecache.stage
    def work(x: int) -> object:
        if x not in rates:
            rates[x] = x * 2
        return rates[x]

    assert [work(1), work(2)] == [2, 4]
    assert all((work.is_cached(1), work.is_cached(2)))


def test_who_calls_a_stage_that_reads_an_item_rests_on_it(rates):
    @stagecache.stage
    def inner() -> object:
        return rates["a"]

    @stagecache.stage
    def outer() -> object:
        return inner()

    rates["a"] = 5
    assert outer() == 5
    assert outer.is_cached()
    rates["a"] = 6
    assert not outer.is_cached()
    assert outer() == 6


def test_what_others_change_while_a_body_reads_it_is_not_kept(rates):
    others = ThreadPoolExecutor(1)
    others.submit(int).result()

    @stagecache.stage(ignore=("change",))
    def work(change: object) -> object:
        found = rates["a"]
        change()
        return found

    rates["a"] = 5
    with pytest.warns(stagecache.StagecacheWarning, match=r"rates\['a'\].* changed while"):
        assert work(lambda: others.submit(rates.__setitem__, "a", 6).result()) == 5
    others.shutdown()
    assert not work.is_cached(None)


def test_explain_names_the_item(rates):
    @stagecache.stage
    def work() -> object:
        return rates["a"]

    rates["a"] = 5
    work()
    rates["a"] = 6
    assert [(each.kind, each.subject) for each in work.explain().reasons] == [
        ("depends", "rates['a']")
    ]


def test_a_process_that_opens_no_collection_knows_what_is_in_it(tmp_path):
    (tmp_path / "job.py").write_text(
        textwrap.dedent("""
        import sys
        import stagecache

        @stagecache.stage
        def work() -> object:
            print("ran")
            with stagecache.Cache("kept") as cache:
                return cache.index("rates")["a"]

        if sys.argv[1:]:
            stagecache.Cache("kept").index("rates")["a"] = int(sys.argv[1])
        print(work())
        """)
    )

    def run(*arguments):
        command = [sys.executable, "job.py", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert run("5") == ["ran", "5"]
    assert run() == ["5"]
    assert run("6") == ["ran", "6"]
    assert run("5") == ["5"]
