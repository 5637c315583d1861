"""Lets a job fill a small disk, and go on when it is full and when there is space again.

argv: where the disk is. For each line that is read the disk is filled and emptied once more.
"""

from __future__ import annotations

import os
import random
import sys
import warnings

from stagecache import Cache, stage
from stagecache.errors import StagecacheWarning


@stage
def value(number: int, size: int) -> bytes:
    return b"%08d" % number * (size // 8)


def right(number, size):
    assert value(number, size) == b"%08d" % number * (size // 8), "a wrong value"


def fill(place, leaving):
    """Take all space of the disk but `leaving` bytes."""
    with open(os.path.join(place, "ballast"), "ab", buffering=0) as stream:
        free = os.statvfs(place)
        stream.write(bytes(max(0, free.f_bavail * free.f_frsize - leaving)))


def go(place, number):
    root = os.path.join(place, "cache")
    sizes = [random.choice([50, 5_000, 40_000, 400_000]) for _ in range(12)]
    wanted = [(1_000 * number + step, size) for step, size in enumerate(sizes)]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with Cache(root, memory=1_000):  # so that what memory has does not hide what the disk has
            for call in wanted[:4]:
                right(*call)
            fill(place, random.choice([0, 4_096, 20_000, 100_000]))
            for call in wanted:
                right(*call)
                right(*call)
        with Cache(root):
            for call in wanted:
                right(*call)
    # Where small results still find space, files and index may each say once that there is none.
    assert len(told) <= 2, [str(each.message) for each in told]
    assert all(issubclass(each.category, StagecacheWarning) for each in told)
    os.unlink(os.path.join(place, "ballast"))
    with Cache(root) as cache:
        for call in wanted:
            right(*call)
        assert all(value.is_cached(*call) for call in wanted), "not kept though there is space"
        assert cache.verify() == []
        assert os.listdir(os.path.join(root, "v1", "tmp")) == []
        cache.clear()


for number, _ in enumerate(sys.stdin):
    go(sys.argv[1], number)
    print("ok", flush=True)
