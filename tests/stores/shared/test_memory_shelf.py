"""The shelf to test with keeps the contract."""

from __future__ import annotations

import pytest

from stagecache.errors import ShelfError
from stagecache.testing.clock import FakeClock
from stagecache.testing.shelves import MemoryShelf, ShelfContract, put, take


class TestContract(ShelfContract):
    @pytest.fixture
    def shelf(self):
        return MemoryShelf(limit=2_000_000)


def test_a_value_ends_after_its_seconds():
    clock = FakeClock()
    shelf = MemoryShelf(now=clock.now)
    shelf.put("a", [b"first"], seconds=10, replace=False)
    clock.advance(9.9)
    assert take(shelf, "a") == b"first"
    clock.advance(0.2)
    assert take(shelf, "a") is None
    assert shelf.remove(["a"]) == 0
    assert put(shelf, "a", b"second")


def test_it_fails_as_it_is_told():
    shelf = MemoryShelf()
    put(shelf, "a", b"value")
    shelf.trouble = ShelfError(shelf.name, "gone", is_outage=True)
    for work in (lambda: shelf.get(["a"]), lambda: put(shelf, "b"), lambda: shelf.remove(["a"])):
        with pytest.raises(ShelfError, match="memory is out of reach: gone"):
            work()
    shelf.trouble = None
    assert take(shelf, "a") == b"value"
