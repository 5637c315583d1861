"""Lets a job's system calls about its cache fail, one after the other; asked line by line.

argv: a folder, the name of an error, whether all calls after the first fail as well (0 or 1). For
each line that is read the job runs once more, then runs again with nothing failing. It answers
`ok`, `failed ...`, `refused ...`, or `complete` when there are no more calls.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import sys
import warnings

import tracer

from stagecache import Cache, stage
from stagecache.errors import StagecacheWarning
from stagecache.stores.disk import DiskStore

ran: list[str] = []


@stage
def small(n: int) -> list[int]:
    ran.append("small")
    return list(range(n))


@stage
def large(n: int) -> bytes:
    ran.append("large")
    return b"%d" % n * 30_000


def values():
    return [small(3), large(5), small(3), large(5), large(6)]


WANTED = [[0, 1, 2], b"5" * 30_000, [0, 1, 2], b"5" * 30_000, b"6" * 30_000]


def prepare(root):
    with Cache(root):
        large(6)
        small(7)


def job(root):
    """Run the job: whatever fails, its values are right, and it is told of one trouble at most."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with Cache(root):
            found = values()
    assert found == WANTED, "a wrong value"
    texts = sorted({str(warning.message) for warning in told})
    assert all(issubclass(warning.category, StagecacheWarning) for warning in told), texts
    assert len(told) <= 1, "\n".join(texts)


def check(root):
    """Run the job when nothing fails any more: no warning, all is kept, what was there is there."""
    with Cache(root) as cache:
        del ran[:]
        small(7)
        assert ran == [], "a result that had been kept is gone"
        assert values() == WANTED
        del ran[:]
        assert values() == WANTED
        assert ran == [], "a result is not kept though nothing fails"
        assert cache.verify() == []


def main(folder, error, for_good):
    code = getattr(errno, error)
    before, root = os.path.join(folder, "before"), os.path.join(folder, "cache")

    def is_meant(child, call):
        return child.touches(call, root) and (code == errno.EIO or tracer.takes_space(call))

    os.makedirs(folder)
    assert tracer.status_of(lambda: prepare(before)) == 0
    warm = os.path.join(folder, "warm")  # so that nothing is imported while calls fail
    prepare(warm)
    job(warm)
    check(warm)
    try:
        lay_out(before, root)
        calls = tracer.calls_of(lambda: job(root), is_meant)
    except tracer.Refused as refused:
        print("refused", refused, flush=True)
        return
    order = list(range(calls))
    random.shuffle(order)
    for count, _ in zip(order, sys.stdin, strict=False):
        lay_out(before, root)
        call, status = tracer.failing_at(
            lambda: job(root), count, is_meant, code, for_good=for_good == "1"
        )
        if status:
            print(f"failed: {error} of call {count} ({call}), the job ended with {status}")
        elif status := tracer.status_of(lambda: check(root)):
            print(f"failed: {error} of call {count} ({call}), the next job ended with {status}")
        else:
            print("ok")
        sys.stdout.flush()
    print("complete", flush=True)


def lay_out(before, root):
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(before, root)
    DiskStore(root)._trust.vouch()


if __name__ == "__main__":
    main(*sys.argv[1:])
