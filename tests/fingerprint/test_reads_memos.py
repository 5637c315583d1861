"""What a memo read before counts for the body that gets what it kept, and for no other."""

from __future__ import annotations

import functools
import glob
import os
from pathlib import Path

import pytest

from stagecache.fingerprint.code import fingerprint_code, kept_by
from stagecache.fingerprint.reads import Recorder, hook, memos, recording
from stagecache.fingerprint.reads.memos import Relied
from stagecache.model import Digest, Read

KEPT: dict[str, str] = {}


@functools.lru_cache
def counted(name):
    return Path(name).read_text()


def by_hand(name):
    if name not in KEPT:
        KEPT[name] = Path(name).read_text()
    return KEPT[name]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt"):
        Path(name).write_text(name)
    hook.install()
    monkeypatch.setattr(memos, "_known", {})  # other tests are another process, so to say
    counted.cache_clear()
    KEPT.clear()


def reads_of(body):
    """Return what a run of `body` read, and what of that had changed."""
    fingerprint_code(body)
    recorder, relied = Recorder(), Relied(kept_by(body))
    with recording(recorder):
        body()
    with recording(None):
        recorder.absorb(relied.reads(recorder))
        return [(read.kind, read.name) for read in recorder.reads()], recorder.changed()


@pytest.mark.parametrize("memo", [counted, by_hand])
def test_what_a_memo_read_for_somebody_else_is_read_by_who_gets_it(memo):
    memo("a.txt")
    assert reads_of(lambda: memo("a.txt")) == ([("file", "a.txt")], ())


@pytest.mark.parametrize("memo", [counted, by_hand])
def test_who_fills_a_memo_gets_nothing_that_others_had_it_read(memo):
    memo("a.txt")
    assert reads_of(lambda: memo("b.txt")) == ([("file", "b.txt")], ())


def test_what_a_generator_of_a_library_read_for_somebody_else_is_read_by_who_goes_on():
    assert not list(glob.iglob("other/*"))  # it has been met, and is no code of the user's
    user = {"__name__": "zq_user", "FOUND": glob.iglob("./*")}
    exec("def first(): return next(FOUND)\ndef second(): return next(FOUND)", user)
    assert reads_of(user["first"]) == ([("directory", ".")], ())
    assert reads_of(user["second"]) == ([("directory", ".")], ())


def test_who_does_not_ask_a_memo_that_counts_reads_nothing():
    counted("a.txt")
    assert reads_of(lambda: counted) == ([], ())


@pytest.mark.parametrize("memo", [counted, by_hand])
def test_what_changed_since_a_memo_read_it_is_told_as_changed(memo):
    memo("a.txt")
    Path("a.txt").write_text("another")
    assert reads_of(lambda: memo("a.txt")) == ([("file", "a.txt")], ("a.txt",))


def test_what_a_memo_read_last_is_what_it_keeps():
    counted("a.txt")
    Path("a.txt").write_text("another")
    counted.cache_clear()
    counted("a.txt")
    assert reads_of(lambda: counted("a.txt")) == ([("file", "a.txt")], ())


def test_a_name_that_was_relative_is_relative_to_where_the_body_runs(tmp_path, monkeypatch):
    counted("a.txt")
    counted(str(tmp_path / "b.txt"))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir("below")
    assert reads_of(lambda: [counted("a.txt"), counted(str(tmp_path / "b.txt"))]) == (
        [("file", os.path.join("..", "a.txt")), ("file", str(tmp_path / "b.txt"))],
        (),
    )


def test_a_function_that_opens_new_files_for_ever_is_noted_no_more_than_so_many(monkeypatch):
    monkeypatch.setattr("stagecache.fingerprint.reads.ledger._MOST", 10)
    KEPT.clear()
    for number in range(100):
        Path(f"{number}.txt").write_text("a")
        os.path.exists(f"{number}.txt")
        by_hand(f"{number}.txt")
    noted = memos._known[object.__hash__(by_hand.__code__)].seen
    assert len(noted.names) <= 11
    assert len(noted.sights) <= 11
    assert reads_of(lambda: by_hand("99.txt"))[0][-1] == ("file", "99.txt")


def test_a_function_that_makes_folders_and_calls_stages_for_ever_is_noted_no_more_than_so_many(
    monkeypatch,
):
    monkeypatch.setattr("stagecache.fingerprint.reads.ledger._MOST", 10)

    @functools.lru_cache
    def made(number):
        os.mkdir(f"{number}")
        memos.hand_up([Read("file", f"{number}.txt", Digest(bytes([number]) * 16))])
        memos.hand_up([Read("file", "same.txt", Digest(bytes([number]) * 16))])
        os.rmdir(f"{number}")

    for number in range(100):
        made(number)
    ledger = memos._known[object.__hash__(made.__wrapped__.__code__)]
    assert len(ledger.seen.touched) <= 11
    assert len(ledger.seen._own_folders) <= 11
    assert len(ledger._absorbed) <= 21
    told = {read.name: read.digest[0] for read in ledger.reads_from(os.getcwd())}
    assert told["99.txt"] == told["same.txt"] == 99


def test_what_a_memo_wrote_itself_is_no_read():
    @functools.lru_cache
    def made(name):
        Path(name).write_text("made")
        return Path(name).read_text()

    made("c.txt")
    assert reads_of(lambda: made("c.txt")) == ([], ())
