"""What processes see counts for the body that hands them work, however they were started, and when.

They are made once for all tests here: so they are older than any body.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.spawn
import os
import queue
import subprocess
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextvars import copy_context
from pathlib import Path

import numpy as np
import pytest
from errands import work as errands

import stagecache
from stagecache.fingerprint.reads import Recorder, recording
from stagecache.fingerprint.reads.boxes import Box
from stagecache.fingerprint.reads.handed import Handed, handed

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the methods are those of POSIX")
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The working directory of all tests here, and of the processes."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "folder1").mkdir()
    return folder


@pytest.fixture(autouse=True)
def work(folder, monkeypatch, cache):
    monkeypatch.chdir(folder)
    for number in range(20):
        Path(errands.name_of(number)).write_text("a")
    errands.kept.cache_clear()
    errands.KEPT.clear()


@pytest.fixture(scope="module", params=["spawn", "forkserver", "fork"])
def pools(request, folder):
    """Return two kinds of pools with a process each, which have done something before."""
    context = multiprocessing.get_context(request.param)
    before = os.getcwd()
    os.chdir(folder)
    Path(errands.name_of(30)).write_text("a")
    executor = ProcessPoolExecutor(1, context, initializer=errands.prepare_noted, initargs=(30,))
    pool = context.Pool(1)
    assert not executor.submit(errands.is_there, 99).result()
    os.chdir(before)
    yield executor, pool
    executor.shutdown()
    pool.terminate()
    pool.join()


@pytest.fixture(scope="module")
def executor(folder):
    """An executor whose process knows nothing of stagecache before it is handed work by a body."""
    before = os.getcwd()
    os.chdir(folder)
    with ProcessPoolExecutor(1, mp_context=SPAWN) as executor:
        assert not executor.submit(errands.is_there, 99).result()
        os.chdir(before)
        yield executor


def reads_of(cache, stage):
    """Return what the results of a stage rest on."""
    kept = {entry.key: entry for entry, _ in cache.entries() if entry.stage.endswith(stage)}
    return {
        (read.kind, read.shown if read.kind == "results" else read.name)
        for entry in kept.values()
        for read in entry.reads
    }


def files(*numbers):
    return {("file", errands.name_of(number)) for number in numbers}


def test_all_that_older_processes_see_counts_as_if_the_body_had_seen_it(pools, cache):
    executor, pool = pools

    @stagecache.stage
    def before():
        return executor.submit(errands.kept, 1).result(), pool.apply(errands.kept_by_hand, (2,))

    @stagecache.stage
    def job():
        asked = [
            executor.submit(errands.in_a_thread, 3).result(),
            *executor.map(errands.is_there, [4, 50]),
            executor.submit(errands.names_below, 1).result(),
            executor.submit(errands.variable, "Z").result(),
            executor.submit(errands.rated, 5).result(),
            executor.submit(errands.kept, 1).result(),
            executor.submit(errands.scratch, 1).result(),
        ]
        pooled = [
            pool.map(errands.read, [6, 7]),
            list(pool.imap(errands.read, [8])),
            pool.starmap(errands.read, [(9,)]),
            pool.apply_async(errands.kept_by_hand, (2,)).get(),
        ]
        return asked, pooled

    before()
    assert reads_of(cache, "before") == files(1, 2, 30)
    assert job() == job()
    assert reads_of(cache, "job") == {
        *files(1, 2, 3, 5, 6, 7, 8, 9, 30),
        ("results", "results of errands.stages:rates"),
        ("missing", "4.txt"),
        ("missing", "50.txt"),
        ("directory", "folder1"),
        ("environment", "SITE_Z"),
    }
    kept = {entry.stage.rpartition(".")[2]: entry for entry, _ in cache.entries()}
    assert kept["job"].expires == pytest.approx(kept["job"].created + 3600, abs=60)
    Path("3.txt").write_text("b")
    assert "3.txt" in str(job.explain())


def test_a_process_and_those_that_it_starts_tell_the_body(cache):
    @stagecache.stage
    def job():
        process = SPAWN.Process(target=errands.starts_two, args=("forkserver", 1))
        process.start()
        process.join()
        return process.exitcode

    assert job() == 0
    assert reads_of(cache, "job") == files(1, 2, 3)


def test_what_processes_of_joblib_see_counts_though_others_had_them_before(cache):
    joblib = pytest.importorskip("joblib")
    offset = 1

    @stagecache.stage
    def job(number):
        large = np.ones(1_000)
        work = [joblib.delayed(lambda x: errands.read(x + offset))(number)]
        work += [joblib.delayed(errands.kept)(1)] * 2
        work += [joblib.delayed(errands.total)(large, number + 2)]
        return joblib.Parallel(1 + 1, max_nbytes=100)(work)

    assert job(2) == ["a", "a", "a", 1001.0]
    assert reads_of(cache, "job") == files(1, 3, 4)
    assert job(5) == ["a", "a", "a", 1001.0]
    assert reads_of(cache, "job") == files(1, 3, 4, 6, 7)
    assert job.is_cached(5)
    Path("1.txt").write_text("b")
    assert not job.is_cached(5)
    joblib.externals.loky.get_reusable_executor().shutdown()


def test_work_of_joblib_that_is_submitted_later_counts_for_who_asked_for_it(cache):
    joblib = pytest.importorskip("joblib")
    turns = threading.Barrier(2, timeout=30)

    @stagecache.stage
    def job(first):
        turns.wait()
        work = (joblib.delayed(errands.read)(first + step // 10) for step in range(20))
        return joblib.Parallel(1 + 1, batch_size=1)(work)

    # Two threads that find another executor than they want may wait for each other in joblib.
    joblib.Parallel(1 + 1, batch_size=1)([joblib.delayed(abs)(1)] * 2)
    threads = [threading.Thread(target=copy_context().run, args=(job, first)) for first in (2, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, first in ((3, 2), (7, 6)):
        Path(errands.name_of(number)).write_text("b")
        assert [job.is_cached(2), job.is_cached(6)] == [first == 6, first == 2]
        Path(errands.name_of(number)).write_text("a")
    joblib.externals.loky.get_reusable_executor().shutdown()


def test_what_prepares_a_process_counts(cache):
    @stagecache.stage
    def job():
        with ProcessPoolExecutor(
            1, mp_context=SPAWN, initializer=errands.prepare, initargs=(1,)
        ) as pool:
            return pool.submit(errands.prepared, 0).result()

    assert job() == "a"
    assert reads_of(cache, "job") == files(1)


def test_without_a_body_nothing_is_wrapped_and_no_file_is_made(monkeypatch, cache):
    with ProcessPoolExecutor(1, mp_context=SPAWN) as executor:
        monkeypatch.setattr(Box, "made", None)
        assert executor.submit(errands.read, 1).result() == "a"
        assert not executor.submit(errands.has_loaded, "stagecache").result()
        monkeypatch.undo()


def test_what_a_process_does_for_two_bodies_in_turn_counts_for_each(executor, cache):
    turns = threading.Barrier(2, timeout=30)

    @stagecache.stage
    def job(number):
        turns.wait()
        found = []
        for step in (0, 1):
            found.append(executor.submit(errands.read, number + step).result())
            turns.wait()
        return found

    threads = [threading.Thread(target=job, args=(number,)) for number in (2, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert job.is_cached(2)
    assert job.is_cached(6)
    Path("7.txt").write_text("b")
    assert job.is_cached(2)
    assert not job.is_cached(6)


def test_work_that_a_thread_of_nobodys_hands_over_counts_for_all_bodies_that_run(executor, cache):
    began, done = threading.Barrier(3, timeout=30), threading.Event()

    @stagecache.stage
    def job(number):
        began.wait()
        assert done.wait(30)
        return number

    threads = [threading.Thread(target=job, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    began.wait()
    executor.submit(errands.read, 3).result()
    done.set()
    for thread in threads:
        thread.join()
    assert [job.is_cached(1), job.is_cached(2)] == [True, True]
    Path("3.txt").write_text("b")
    assert [job.is_cached(1), job.is_cached(2)] == [False, False]


def test_a_body_fails_with_its_process_as_without_a_cache(cache):
    @stagecache.stage
    def job(work):
        with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
            return pool.submit(getattr(errands, work), 1).result()

    with pytest.raises(LookupError, match="a") as caught:
        job("fails")
    assert "work.py" in str(caught.value.__cause__)
    with pytest.raises(BrokenProcessPool):
        job("dies")
    assert not [number for number in os.listdir("/proc/self/fd") if "memfd:" in _opened(number)]


def _opened(number):
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return ""


def test_what_a_process_sees_after_the_body_is_nobodys(executor, cache):
    os.mkfifo("fifo1")
    waiting = []

    @stagecache.stage
    def job():
        waiting.append(executor.submit(errands.waits, "1", 1))
        return executor.submit is not None

    job()
    with open("fifo1", "w"):
        assert waiting[0].result() == "a"
    assert reads_of(cache, "job") <= {("file", "fifo1")}
    assert job.is_cached()
    assert executor.submit(errands.has_loaded, "stagecache").result()


def test_a_variable_that_was_set_after_a_process_began_counts_as_that_has_it(
    executor, cache, monkeypatch
):
    monkeypatch.setenv("SITE_Z", "b")

    @stagecache.stage
    def job():
        return executor.submit(errands.variable, "Z").result()

    assert job() is None
    assert not job.is_cached()
    monkeypatch.delenv("SITE_Z")
    assert job.is_cached()


def test_a_file_that_changes_while_the_body_runs_is_noticed_though_a_process_read_it(
    executor, cache
):
    @stagecache.stage
    def job():
        found = executor.submit(errands.read, 1).result()
        to_edit.put("1.txt")
        edited.get()
        return found

    to_edit, edited = queue.SimpleQueue(), queue.SimpleQueue()
    threading.Thread(target=_edit, args=(to_edit, edited), daemon=True).start()
    with pytest.warns(stagecache.ImpureStageWarning):
        job()
    assert not job.is_cached()


def _edit(names, done):
    subprocess.run(["sh", "-c", f"echo b > {names.get()}"], check=True)
    done.put(None)


def test_a_process_elsewhere_reads_by_names_as_seen_from_there(
    executor, cache, tmp_path, monkeypatch
):
    there = os.getcwd()
    monkeypatch.chdir(tmp_path)

    @stagecache.stage
    def job():
        return executor.submit(errands.read, 1).result()

    job()
    assert reads_of(cache, "job") == {("file", os.path.join(there, "1.txt"))}


def test_a_process_whose_folder_is_gone_does_its_work_as_ever(executor, cache):
    @stagecache.stage
    def job():
        there = executor.submit(errands.leaves_no_folder, 1).result()
        found = executor.submit(abs, -1).result()
        executor.submit(errands.goes_to, there).result()
        return found

    assert job() == 1


def test_what_a_memo_has_processes_read_counts_for_who_gets_it_later(executor, cache):
    import functools

    @functools.cache
    def table():
        pool = multiprocessing.get_context("fork").Pool(1)
        with pool:
            return executor.submit(errands.read, 1).result() + pool.apply(errands.read, (2,))

    @stagecache.stage
    def first():
        return executor.submit(errands.read, 3).result() + table()

    @stagecache.stage
    def second():
        return table()

    first()
    second()
    assert reads_of(cache, "first") == files(1, 2, 3)
    assert reads_of(cache, "second") == files(1, 2)


def test_what_a_forked_process_gets_from_a_memo_counts(cache):
    errands.kept(1)

    @stagecache.stage
    def job():
        with multiprocessing.get_context("fork").Pool(1) as pool:
            return pool.apply(errands.kept, (1,))

    job()
    assert reads_of(cache, "job") == files(1)


def test_another_interpreter_is_handed_work_as_it_is(monkeypatch):
    recorder = Recorder()
    with recording(recorder):
        assert type(handed(errands.read, None)) is Handed
        monkeypatch.setattr(multiprocessing.spawn, "_python_exe", "another")
        assert handed(errands.read, None) is errands.read
    assert handed(errands.read, None) is errands.read


def test_a_box_that_is_closed_takes_nothing_and_is_no_other_file(monkeypatch, tmp_path):
    box = Box.made()
    other = Box.at(box.address)
    box.close()
    other.put("x" * 1_000)
    assert os.stat(f"/proc/self/fd/{other._file}").st_blocks == 0
    other.leave()
    with open("own.txt", "w") as own:
        taken = box.address._replace(path=f"/proc/{os.getpid()}/fd/{own.fileno()}")
        assert Box.at(taken) is None
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    box = Box.made()
    Box.at(box.address).put("names", 1)
    assert list(box.taken()) == [("names", 1)]
    box.close()
    assert not [*tmp_path.glob("stagecache-*")]
