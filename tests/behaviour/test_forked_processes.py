"""What processes do that a body forks is the body's own doing: what they see and take counts."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

import stagecache
from stagecache.fingerprint.reads.boxes import Box

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
FORK = multiprocessing.get_context("fork") if hasattr(os, "fork") else None


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch, cache):
    """A working directory of its own."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def _read(numbers):
    return "".join(Path(f"{number}.txt").read_text() for number in numbers)


def test_each_of_many_processes_is_heard():
    for number in range(200):
        Path(f"{number}.txt").write_text("a")

    @stagecache.stage
    def job(count):
        with FORK.Pool(4) as pool:
            return pool.map(_read, [range(start, 200, count) for start in range(count)])

    job(8)
    assert job.is_cached(8)
    for number in (0, 77, 199):
        Path(f"{number}.txt").write_text("b")
        assert not job.is_cached(8)
        Path(f"{number}.txt").write_text("a")
    assert job.is_cached(8)


def test_a_body_expires_with_what_a_stage_gave_in_a_process(cache):
    @stagecache.stage(ttl="1h", tags=("fx",))
    def rates(day):
        return {"CHF": 1.25}

    def ask(day, answers):
        answers.put(rates(day))

    @stagecache.stage
    def report(day):
        answers = FORK.SimpleQueue()
        process = FORK.Process(target=ask, args=(day, answers))
        process.start()
        found = answers.get()
        process.join()
        return found

    report("2013-01-01")
    kept = {entry.stage.rpartition(".")[2]: entry for entry, _ in cache.entries()}
    assert kept["report"].expires == pytest.approx(kept["rates"].created + 3600, abs=60)
    assert report.is_cached("2013-01-01")
    cache.invalidate(tag="fx")
    assert not report.is_cached("2013-01-01")


def test_an_item_that_a_process_asks_for_counts(cache):
    rates = cache.index("rates")
    rates["CHF"] = 1.25

    def ask(answers):
        answers.put(cache.index("rates")["CHF"])

    @stagecache.stage
    def report(x):
        answers = FORK.SimpleQueue()
        process = FORK.Process(target=ask, args=(answers,))
        process.start()
        found = answers.get()
        process.join()
        return found

    assert report(1) == report(1) == 1.25
    assert report.is_cached(1)
    rates["CHF"] = 1.5
    assert not report.is_cached(1)
    assert report(1) == 1.5


def test_a_process_that_outlives_the_body_goes_on_alone():
    Path("first.txt").write_text("a")
    Path("later.txt").write_text("a")

    @stagecache.stage
    def job(reader, writer, child):
        pid = os.fork()
        if not pid:
            signal.alarm(20)
            Path("first.txt").read_text()
            os.write(writer, b".")
            os.read(child, 1)
            Path("later.txt").read_text()
            os.write(writer, b".")
            os._exit(0)
        os.read(reader, 1)
        return pid

    reader, writer = os.pipe()
    child, parent = os.pipe()
    pid = job(reader, writer, child)
    assert job.is_cached(reader, writer, child)
    os.write(parent, b".")
    assert os.read(reader, 1) == b"."
    assert os.waitpid(pid, 0)[1] == 0
    Path("later.txt").write_text("b")
    assert job.is_cached(reader, writer, child)
    Path("first.txt").write_text("b")
    assert not job.is_cached(reader, writer, child)
    for end in (reader, writer, child, parent):
        os.close(end)


def test_what_many_processes_say_at_once_is_heard():
    box = Box.made()

    def say(number):
        for count in range(2_000):
            box.put("read", f"{number} {count}")

    children = [FORK.Process(target=say, args=(number,)) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert len(list(box.taken())) == 8_000
    box.close()
