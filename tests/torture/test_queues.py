"""No item of a queue is lost, whoever is killed; while nobody is, each comes once and in order."""

from __future__ import annotations

import random
import time

from stagecache import Cache

PRODUCERS = CONSUMERS = 4
ITEMS = 100_000
_END = 60
"""Seconds for what is left when nothing is put any more."""


def noted(folder):
    """What each consumer noted, in its order."""
    return [
        [tuple(map(int, line.split())) for line in path.read_text().splitlines()]
        for path in sorted(folder.glob("notes-*"))
    ]


def produce(rounds, child, folder, share):
    """Start producers; return what waits for the items that were put, `share` of the time."""
    started = [child("producing.py", folder, name, ITEMS // PRODUCERS) for name in range(PRODUCERS)]
    until = time.time() + rounds.seconds * share

    def put(meanwhile):
        while time.time() < until and any(each.process.poll() is None for each in started):
            meanwhile()
        counts = [int(each.ask()) for each in started]
        return {(name, number) for name, count in enumerate(counts) for number in range(count)}

    return put


def test_no_item_is_lost_whoever_is_killed(rounds, child, tmp_path):
    folder = tmp_path / "cache"
    started = []

    def consumer():
        started.append(child("consuming.py", folder, tmp_path / f"notes-{len(started):05}"))
        return started[-1]

    kills = 0
    put = produce(rounds, child, folder, 0.5)
    at_work = [consumer() for _ in range(CONSUMERS)]

    def kill_one():
        nonlocal kills
        number = random.randrange(CONSUMERS)
        at_work[number].answer()  # it is at work
        time.sleep(random.uniform(0.0, 0.1))
        at_work[number].end()
        kills += 1
        at_work[number] = consumer()

    wanted = put(kill_one)
    with Cache(folder) as cache:
        work = cache.queue("work")
        until = time.time() + rounds.seconds * 0.7
        while time.time() < until and not work.join(timeout=0):
            kill_one()
        if not work.join(timeout=_END):
            rounds.failed(f"{work.stats()} after {_END} s")
        found = noted(tmp_path)
        once = {item for notes in found for item in notes}
        if once != wanted:
            rounds.failed(f"{len(wanted - once)} items are lost, {len(once - wanted)} are strange")
        if work.dead_letters():
            rounds.failed(f"given up: {work.dead_letters()}")
        if cache.verify():
            rounds.failed(cache.verify())
    rounds.count(len(wanted), "items")
    again = sum(map(len, found)) - len(once)
    rounds.note(f"{kills} kills")
    rounds.note(f"{again} items that came again")


def test_each_item_comes_once_and_in_the_order_of_its_producer(rounds, child, tmp_path):
    folder = tmp_path / "cache"
    put = produce(rounds, child, folder, 0.6)
    consumers = [
        child("consuming.py", folder, tmp_path / f"notes-{number}") for number in range(CONSUMERS)
    ]
    wanted = put(lambda: time.sleep(0.01))
    with Cache(folder) as cache:
        work = cache.queue("work")
        work.put_many([None] * CONSUMERS)
        if not work.join(timeout=max(_END, rounds.seconds)):
            rounds.failed(f"{work.stats()} are left")
    for consumer in consumers:
        if consumer.process.wait(timeout=_END):
            rounds.failed(consumer.errors())
    found = noted(tmp_path)
    if sorted(item for notes in found for item in notes) != sorted(wanted):
        rounds.failed("some item came twice, or never")
    for notes in found:
        for name in range(PRODUCERS):
            mine = [number for producer, number in notes if producer == name]
            if mine != sorted(mine):
                rounds.failed(f"a consumer got items of producer {name} in another order")
    rounds.count(len(wanted), "items")
