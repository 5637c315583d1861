"""A cache may be entered by many threads and tasks at once: each leaves its own block."""

from __future__ import annotations

import asyncio
import threading

import stagecache


@stagecache.stage
def doubled(n: int) -> int:
    return 2 * n


def test_threads_enter_and_leave_one_cache_in_any_order(tmp_path):
    cache = stagecache.Cache(tmp_path / "cache")
    inside, leaving = threading.Barrier(3), [threading.Event() for _ in range(3)]
    found, errors = [], []

    def work(number):
        try:
            with cache:
                inside.wait()
                leaving[number].wait()
                found.append((doubled(number), stagecache.current() is cache))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for number in (0, 2, 1):  # not the order in which they came, nor its reverse
        leaving[number].set()
        threads[number].join()
    assert not errors
    assert sorted(found) == [(0, True), (2, True), (4, True)]


def test_tasks_enter_and_leave_one_cache_in_any_order(tmp_path):
    cache = stagecache.Cache(tmp_path / "cache")

    async def work(number):
        with cache:
            await asyncio.sleep(0.001 * (number % 3))
            return doubled(number)

    async def main():
        return await asyncio.gather(*(work(number) for number in range(6)))

    assert asyncio.run(main()) == [0, 2, 4, 6, 8, 10]
