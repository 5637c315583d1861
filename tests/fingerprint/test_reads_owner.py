"""Whose read it is: the innermost recorder's of the context, every running one's, or nobody's."""

from __future__ import annotations

import asyncio
import contextvars
import pathlib
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from stagecache.fingerprint.reads import Recorder, current_recorder, recording
from stagecache.fingerprint.reads.attribution import running


@pytest.fixture(autouse=True)
def _folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "abcd":
        pathlib.Path(name).write_text(name)


def fresh() -> Recorder:
    return Recorder()


def names(recorder: Recorder) -> list[str]:
    return [read.name for read in recorder.reads()]


def read(name: str) -> str:
    return pathlib.Path(name).read_text()


def test_without_a_recorder_nothing_is_anybodys() -> None:
    recorder = fresh()
    read("a")
    with recording(recorder):
        assert current_recorder() is recorder
        read("b")
    read("c")
    assert current_recorder() is None
    assert names(recorder) == ["b"]
    assert running == []


def test_what_happens_inside_none_is_nobodys() -> None:
    recorder = fresh()
    with recording(recorder):
        with recording(None):
            assert current_recorder() is None
            read("a")
        read("b")
    assert names(recorder) == ["b"]


def test_nested_recorders_each_have_their_own() -> None:
    outer, inner = fresh(), fresh()
    with recording(outer):
        read("a")
        with recording(inner):
            read("b")
        assert current_recorder() is outer
        read("c")
    assert names(outer) == ["a", "c"]
    assert names(inner) == ["b"]


def test_a_nested_stage_hands_its_reads_up() -> None:
    outer, inner = fresh(), fresh()
    with recording(outer):
        read("a")
        with recording(inner):
            read("b")
        outer.absorb(inner.reads())
    assert names(outer) == ["a", "b"]


def test_a_body_that_raises_ends_its_recording() -> None:
    with pytest.raises(ZeroDivisionError), recording(fresh()):
        1 / 0
    assert current_recorder() is None
    assert running == []


def test_a_pool_that_a_body_starts_reads_for_it() -> None:
    recorder = fresh()
    with recording(recorder), ThreadPoolExecutor(2) as pool:
        list(pool.map(read, "abcd"))
    assert names(recorder) == list("abcd")


def test_a_pool_from_outside_reads_for_every_running_body() -> None:
    one, other = fresh(), fresh()
    both_run, done = threading.Barrier(2, timeout=30), threading.Event()

    def body(recorder: Recorder, own: str, pool: ThreadPoolExecutor) -> None:
        with recording(recorder):
            read(own)
            both_run.wait()
            if own == "a":
                pool.submit(read, "c").result()
                done.set()
            assert done.wait(30)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(read, "d").result()
        threads = [
            threading.Thread(target=body, args=(one, "a", pool)),
            threading.Thread(target=body, args=(other, "b", pool)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert names(one) == ["a", "c"]
    assert names(other) == ["b", "c"]


def test_a_thread_at_the_engines_own_work_reads_for_nobody() -> None:
    recorder = fresh()

    def work() -> None:
        with recording(None):
            read("a")

    with recording(recorder), ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    assert names(recorder) == []


def test_a_thread_that_carries_a_context_along_reads_for_its_owner() -> None:
    one, other = fresh(), fresh()
    with recording(other), recording(one):
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(read, "a"))
        thread.start()
        thread.join()
    assert names(one) == ["a"]
    assert names(other) == []


def test_tasks_read_for_the_body_that_they_belong_to() -> None:
    one, other = fresh(), fresh()

    async def body(recorder: Recorder, name: str, mine: asyncio.Event, its: asyncio.Event) -> None:
        with recording(recorder):
            mine.set()
            await its.wait()
            await asyncio.gather(asyncio.to_thread(read, name), step(name.upper().lower()))

    async def step(name: str) -> None:
        read(chr(ord(name) + 2))

    async def main() -> None:
        first, second = asyncio.Event(), asyncio.Event()
        await asyncio.gather(body(one, "a", first, second), body(other, "b", second, first))

    asyncio.run(main())
    assert names(one) == ["a", "c"]
    assert names(other) == ["b", "d"]


def test_a_task_that_outlives_its_body_reads_for_whoever_runs() -> None:
    early, late = fresh(), fresh()

    async def main() -> None:
        ended = asyncio.Event()

        async def lingering() -> None:
            await ended.wait()
            read("a")

        with recording(early):
            task = asyncio.create_task(lingering())
            await asyncio.sleep(0)
        ended.set()
        with recording(late):
            await task

    asyncio.run(main())
    assert names(early) == []
    assert names(late) == ["a"]


def test_a_recorder_may_be_entered_step_by_step() -> None:
    recorder = fresh()
    for name in "ab":
        with recording(recorder):
            read(name)
    with recording(recorder), recording(recorder):
        read("c")
    assert running == []
    assert names(recorder) == ["a", "b", "c"]


def test_a_childs_own_reads_are_not_seen_but_the_files_that_it_is_told_of_are() -> None:
    recorder = fresh()
    code = "import sys; open(sys.argv[1]).read(); open('b').read(); open(chr(99)).read()"
    with recording(recorder):
        subprocess.run([sys.executable, "-c", code, "a"], check=True)
    assert names(recorder) == ["a", "b"]


def test_a_file_that_a_child_makes_is_no_read() -> None:
    recorder = fresh()
    code = "import sys; open(sys.argv[1], 'w').write('longer')"
    with recording(recorder):
        subprocess.run([sys.executable, "-c", code, "a"], check=True)
    assert names(recorder) == []


def test_the_hook_never_raises_whatever_it_is_told() -> None:
    class Odd:
        def __fspath__(self) -> str:
            raise RuntimeError("no path")

    recorder = fresh()
    with recording(recorder):
        for event in ("open", "os.listdir", "os.rename", "os.chdir", "sqlite3.connect"):
            for arguments in ((), (Odd(),), (None, None, None, None), ("a", 3), (object(), "r", 0)):
                sys.audit(event, *arguments)


def test_threads_that_come_and_go_leave_no_recorder_behind() -> None:
    barrier = threading.Barrier(8, timeout=30)

    def body(name: str) -> list[str]:
        recorder = fresh()
        barrier.wait()
        with recording(recorder):
            read(name)
        return names(recorder)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(body, "abcdabcd"))
    assert found == [[name] for name in "abcdabcd"]
    assert running == []
