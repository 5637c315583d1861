"""An item that is being set when its writer is killed has its old value or the new one."""

from __future__ import annotations

import random
import select
import time

from stagecache import Cache

KILLS = 1_000


def test_an_item_has_its_old_value_or_the_new_one_whenever_its_writer_is_killed(
    rounds, child, tmp_path
):
    known = 0
    told: set[int] = set()
    for number in rounds(KILLS, "kills"):
        writer = child("setting.py", tmp_path / "cache")
        writer.answer()
        # Chosen by the clock: a few loops, somewhere in the last one.
        until = time.monotonic() + random.uniform(0.0, 0.05)
        while (left := until - time.monotonic()) > 0:
            if select.select([writer.process.stdout], [], [], left)[0]:
                known = int(writer.answer() or known)
                told.add(known)
        writer.end()
        with Cache(tmp_path / "cache") as cache:
            index = cache.index("a")
            count = index.get("n", 0)
            if not known <= count:
                rounds.failed(f"{number}: {known} were told of, {count} are there")
            if count and index["twin"] != str(count) * (30_000 if count % 5 == 0 else 10):
                rounds.failed(f"{number}: one of two items that go together is not there")
            for key, size in (("small", 100), ("large", 50_000)):
                value = index.get(key)
                if value is not None and value != value[:10] * (size // 10):
                    rounds.failed(f"{number}: a torn {key} value")
            missing = [n for n in told if index.get(("kept", n)) != n]
            if missing:
                rounds.failed(f"{number}: {missing} are gone")
            known = count
            told = set(random.sample(sorted(told), min(len(told), 200)))
            if number % 20 == 0:
                found = cache.verify()
                if found:
                    rounds.failed(f"{number}: {found}")
                cache.gc()
                blobs = (tmp_path / "cache" / "v1" / "collections" / "blobs").rglob("*")
                killed = number + 1  # each may have left one, which is too young to go
                if sum(path.is_file() for path in blobs) > 2 + killed:
                    rounds.failed(f"{number}: blobs that nobody names are left")
