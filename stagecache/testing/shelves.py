"""What every shelf must do: a contract to subclass, and a shelf in memory to test with."""
# ruff: noqa: D102 - the names are the promises

from __future__ import annotations

import os
import pickle
import threading
import time
from typing import TYPE_CHECKING

import pytest

from stagecache.errors import ShelfError
from stagecache.stores.shared.shelf import size_within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Buffer

    from stagecache.stores.shared.shelf import Shelf

SMALL, LARGE = 100, 400_000


class MemoryShelf:
    """A shelf in this process, which can be put out of reach.

    Parameters
    ----------
    limit : int, optional
        Bytes that one value may have.
    now : callable, optional
        The time in seconds.

    Examples
    --------
    >>> shelf = MemoryShelf()
    >>> shelf.put("name", [b"va", b"lue"], seconds=None, replace=False)
    True
    >>> shelf.get(["name", "other"])
    {'name': b'value'}
    """

    name = "memory"

    def __init__(self, limit: int | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.trouble: ShelfError | None = None
        """Raised by every operation while it is set."""
        self._now = now
        self._lock = threading.Lock()
        self._values: dict[str, tuple[bytes, float | None]] = {}
        """Name -> the value and when it ends."""

    def get(self, names: Sequence[str]) -> dict[str, bytes | memoryview]:
        """Return the values under those of `names` that there are."""
        self._fail()
        with self._lock:
            return {name: self._values[name][0] for name in names if self._stands(name)}

    def put(
        self, name: str, pieces: Sequence[Buffer], *, seconds: float | None, replace: bool
    ) -> bool:
        """Keep a value, and tell whether it is kept now."""
        self._fail()
        size_within(self, pieces)
        with self._lock:
            if not replace and self._stands(name):
                return False
            end = None if seconds is None else self._now() + seconds
            self._values[name] = (b"".join(pieces), end)
            return True

    def remove(self, names: Sequence[str]) -> int:
        """Remove values; return how many there were."""
        self._fail()
        with self._lock:
            there = [name for name in set(names) if self._stands(name)]
            for name in there:
                del self._values[name]
            return len(there)

    def close(self) -> None:
        """Do nothing: what it holds is all there is."""

    def _fail(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def _stands(self, name: str) -> bool:
        if name not in self._values:
            return False
        end = self._values[name][1]
        return end is None or self._now() < end


def take(shelf: Shelf, name: str) -> bytes | None:
    """Return a copy of the value under `name`."""
    value = shelf.get([name]).get(name)
    return None if value is None else bytes(value)


def put(shelf: Shelf, name: str, *pieces: Buffer, replace: bool = False) -> bool:
    """Keep a value without an end."""
    return shelf.put(name, pieces, seconds=None, replace=replace)


def together(number: int, work: Callable[[int], object]) -> list[object]:
    """Return what `work` gives in as many threads that begin at the same time."""
    barrier = threading.Barrier(number)
    results: list[object] = [None] * number

    def run(index: int) -> None:
        barrier.wait()
        results[index] = work(index)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class ShelfContract:
    """Promises that every shelf keeps.

    Examples
    --------
    >>> class TestMemoryShelf(ShelfContract):
    ...     @pytest.fixture
    ...     def shelf(self):
    ...         return MemoryShelf(limit=1_000_000)
    """

    @pytest.fixture
    def shelf(self) -> Shelf:
        """Return an empty shelf with a limit from 1 to 64 MB; subclasses say which."""
        raise NotImplementedError

    def test_what_was_never_put_is_absent(self, shelf: Shelf) -> None:
        assert shelf.get(["a"]) == {}
        assert shelf.get(["a", "b"]) == {}
        assert shelf.get([]) == {}
        assert shelf.remove([]) == 0

    @pytest.mark.parametrize("size", [0, 1, SMALL, LARGE])
    def test_what_is_put_comes_back(self, shelf: Shelf, size: int) -> None:
        value = os.urandom(size)
        assert put(shelf, "a/b", value)
        assert take(shelf, "a/b") == value

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_pieces_of_any_kind_come_back_as_one(self, shelf: Shelf, size: int) -> None:
        value = os.urandom(size - size % 8)
        wide = memoryview(value).cast("q")
        assert put(shelf, "a", b"head", bytearray(value), b"", wide, memoryview(value)[3:9])
        assert take(shelf, "a") == b"head" + value + value + value[3:9]

    def test_a_value_without_pieces_is_empty_not_absent(self, shelf: Shelf) -> None:
        assert put(shelf, "a")
        assert take(shelf, "a") == b""

    def test_every_byte_comes_back(self, shelf: Shelf) -> None:
        value = bytes(range(256)) + b"\r\n\x00END\r\n$-1\r\n"
        assert put(shelf, "a", value)
        assert take(shelf, "a") == value

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_the_first_value_stands_unless_it_is_replaced(self, shelf: Shelf, size: int) -> None:
        assert put(shelf, "a", b"1" * size)
        assert not put(shelf, "a", b"2" * size)
        assert take(shelf, "a") == b"1" * size
        assert put(shelf, "a", b"3" * size, replace=True)
        assert take(shelf, "a") == b"3" * size
        assert put(shelf, "new", b"4", replace=True)

    def test_many_are_asked_for_at_once(self, shelf: Shelf) -> None:
        names = [f"v1/{{{number % 5}}}/{number}" for number in range(40)]
        for name in names[:30]:
            put(shelf, name, name.encode())
        found = shelf.get(names)
        assert {name: bytes(value) for name, value in found.items()} == {
            name: name.encode() for name in names[:30]
        }
        assert set(shelf.get([names[0], names[0], names[39]])) == {names[0]}

    def test_what_is_removed_is_gone_and_can_be_put_again(self, shelf: Shelf) -> None:
        for name in ("a", "b", "c"):
            put(shelf, name, name.encode())
        assert shelf.remove(["a", "b"]) == 2
        assert shelf.get(["a", "b", "c"]).keys() == {"c"}
        assert put(shelf, "a", b"again")
        assert take(shelf, "a") == b"again"

    def test_a_name_may_be_long_and_have_all_that_names_may_have(self, shelf: Shelf) -> None:
        names = ["x" * 200, "ns-1/{0123abcd}/blob_9-Z", "{a}", "0", "b/c/d/e/f"]
        for number, name in enumerate(names):
            assert put(shelf, name, b"%d" % number)
        found = shelf.get(names)
        assert [bytes(found[name]) for name in names] == [b"%d" % n for n in range(len(names))]

    def test_names_that_differ_in_case_are_two(self, shelf: Shelf) -> None:
        put(shelf, "name", b"small")
        put(shelf, "Name", b"large")
        assert take(shelf, "name") == b"small"

    def test_what_the_caller_does_to_its_buffer_later_changes_nothing(self, shelf: Shelf) -> None:
        mine = bytearray(SMALL)
        put(shelf, "a", mine)
        mine[0] = 1
        assert take(shelf, "a") == bytes(SMALL)

    def test_a_value_within_its_time_is_there(self, shelf: Shelf) -> None:
        assert shelf.put("a", [b"value"], seconds=1000, replace=False)
        assert shelf.put("b", [b"value"], seconds=90.5 * 86400, replace=True)
        assert take(shelf, "a") == take(shelf, "b") == b"value"

    def test_what_is_larger_than_the_limit_is_refused_and_the_rest_goes_on(
        self, shelf: Shelf
    ) -> None:
        assert shelf.limit is not None
        put(shelf, "a", b"small")
        too_large = bytes(shelf.limit // 2 + 1)
        with pytest.raises(ShelfError, match="larger than") as caught:
            put(shelf, "a", too_large, too_large, replace=True)
        assert not caught.value.is_outage
        assert take(shelf, "a") == b"small"

    def test_of_threads_that_put_one_name_one_wins(self, shelf: Shelf) -> None:
        won = together(8, lambda number: put(shelf, "a", b"%d" % number))
        assert won.count(True) == 1
        assert take(shelf, "a") == b"%d" % won.index(True)

    def test_threads_put_and_get_side_by_side(self, shelf: Shelf) -> None:
        def work(number: int) -> bool:
            values = {f"{number}/{index}": os.urandom(1000 * index) for index in range(10)}
            for name, value in values.items():
                put(shelf, name, value)
            return all(take(shelf, name) == value for name, value in values.items())

        assert all(together(4, work))

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_forked_child_and_its_parent_use_it_side_by_side(self, shelf: Shelf) -> None:
        put(shelf, "a", b"value")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                same = all(take(shelf, "a") == b"value" for _ in range(50))
                os.write(writing, b"yes" if same else b"no")
            finally:
                os._exit(0)
        os.close(writing)
        same = all(take(shelf, "a") == b"value" for _ in range(50))
        with os.fdopen(reading, "rb") as answer:
            assert answer.read() == b"yes"
        os.waitpid(child, 0)
        assert same
        assert put(shelf, "b", b"after")

    def test_a_closed_shelf_opens_itself_again(self, shelf: Shelf) -> None:
        put(shelf, "a", b"value")
        shelf.close()
        shelf.close()
        assert take(shelf, "a") == b"value"

    def test_its_errors_travel_between_processes(self, shelf: Shelf) -> None:
        error = ShelfError(shelf.name, "no memory", is_outage=False)
        again = pickle.loads(pickle.dumps(error))
        assert (again.shelf, again.problem, again.is_outage) == (shelf.name, "no memory", False)
        assert str(again) == str(error)
