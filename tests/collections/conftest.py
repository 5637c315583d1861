"""The same collection in several places: two handles here, one in another process."""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
from itertools import count

import pytest

from stagecache import Cache

SERVES = """
import base64, pickle, sys
from stagecache import Cache
cache = Cache(sys.argv[1])
for line in sys.stdin:
    kind, arguments, method, given = pickle.loads(base64.b64decode(line))
    if kind == "close":
        cache.close()
        cache = Cache(sys.argv[1])
        continue
    collection = getattr(cache, kind)(*arguments)
    try:
        result = getattr(collection, method)(*given)
        result = None if result is collection else result
    except (LookupError, ValueError) as error:
        result = type(error)
    print(base64.b64encode(pickle.dumps(result)).decode(), flush=True)
"""


class Elsewhere:
    """A collection in another process."""

    def __init__(self, process, *opened):
        self._process = process
        self._opened = opened

    def call(self, method, *given):
        self._tell((*self._opened, method, given))
        return pickle.loads(base64.b64decode(self._process.stdout.readline()))

    def reopen(self):
        self._tell(("close", None, None, None))

    def _tell(self, what):
        self._process.stdin.write(base64.b64encode(pickle.dumps(what)).decode() + "\n")
        self._process.stdin.flush()


class Here:
    """A collection as a handle of this process has it."""

    def __init__(self, root, kind, arguments):
        self._root = root
        self._kind = kind
        self._arguments = arguments
        self._cache = None
        self.reopen()

    def call(self, method, *given):
        try:
            result = getattr(self.collection, method)(*given)
        except (LookupError, ValueError) as error:
            return type(error)
        return None if result is self.collection else result

    def reopen(self):
        self.close()
        self._cache = Cache(self._root)
        self.collection = getattr(self._cache, self._kind)(*self._arguments)

    def close(self):
        if self._cache is not None:
            self._cache.close()


@pytest.fixture
def places(tmp_path):
    """Make a function that gives a new collection in three places."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVES, str(tmp_path / "cache")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    numbers = count()
    here = []

    def make(kind, *more):
        while here:
            here.pop().close()
        arguments = (f"{kind} {next(numbers)}", *more)
        here.extend(Here(tmp_path / "cache", kind, arguments) for _ in range(2))
        return [*here, Elsewhere(process, kind, arguments)]

    yield make
    process.stdin.close()
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    for each in here:
        each.close()
