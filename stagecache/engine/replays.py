"""Reads what a generator yielded, from a store or from memory, and again if a store lost it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.codecs.chunks import CHUNK, split
from stagecache.codecs.plain import Plain
from stagecache.engine.request import result_fingerprint
from stagecache.engine.values import Gone
from stagecache.errors import DecodeError, FingerprintError, ReplayError
from stagecache.fingerprint.reads.recording import recording
from stagecache.fingerprint.replays import Sequel
from stagecache.fingerprint.values import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from stagecache.codecs import Sections
    from stagecache.engine.values import Values
    from stagecache.model import Digest, Entry
    from stagecache.replay import Source

_head = Plain()
_END = object()


def head_of(count: int, *, has_returned: bool) -> Sections:
    """Return what says how many items there are, and whether a returned value follows them."""
    return _head.encode((count, has_returned))


def items_of(values: Values, parts: Iterable[Entry]) -> Iterator[Any]:
    """Yield the items in `parts`, each decoded when it is asked for.

    Raises
    ------
    Gone
        If one is lost, or cannot be decoded any more.
    """
    for part in parts:
        try:
            if part.codec != CHUNK:
                yield values.get(part)
                continue
            for name, sections in split(values.sections(part)):
                yield values.decode(part, name, sections)
        except GeneratorExit:
            raise
        except Exception as error:
            raise Gone from error


class Remembered:
    """Items in memory.

    Parameters
    ----------
    items : list
        What was yielded.
    returned : object
        What the generator returned.
    digest, refs
        As of :class:`~stagecache.replay.Source`.
    """

    def __init__(
        self, items: list[Any], returned: Any, digest: Digest | None, refs: tuple[object, ...]
    ) -> None:
        self._items = items
        self._returned = returned
        self.digest = digest
        self.refs = refs

    def read(self) -> Generator[Any, None, Any]:
        """Yield the items; return what the generator returned."""
        yield from self._items
        return self._returned


class Kept:
    """Items in a store.

    Parameters
    ----------
    values : Values
        What loads them.
    entry : Entry
        That holds them.
    again : callable
        Entry that lost an item -> the same call's items, computed anew. Called if one is lost.

    Raises
    ------
    Gone
        If one is lost already.
    DecodeError
        If the entry says something else than it was made with.
    """

    def __init__(self, values: Values, entry: Entry, again: Callable[[Entry], Source[Any]]) -> None:
        self._values = values
        self._entry = entry
        self._again = again
        self._sections = values.sections(entry)
        keys, *head = self._sections
        match _head.decode(head):
            case int(count), bool(has_returned) if bytes(keys) == b"".join(entry.parts):
                self._count, self._has_returned = count, has_returned
            case _:
                raise DecodeError("its items are not those that it was made with")
        # Entries that are at hand lead to their values for a while after they were replaced.
        self._parts = values.entries(entry.parts)

    @property
    def digest(self) -> Digest:
        """Fingerprint of the whole."""
        return self._entry.result

    @property
    def refs(self) -> tuple[object, ...]:
        """The user's classes and functions that the items name, as they are now."""
        try:
            return result_fingerprint(self._entry).refs
        except FingerprintError:  # a class inside a function, found by no name: ask the items
            sequel = Sequel()
            for item in self.items():
                sequel.add(fingerprint(item))
            return sequel.end(fingerprint(None)).refs

    def items(self) -> Generator[Any, None, Any]:
        """Yield the items; return what the generator returned.

        Raises
        ------
        Gone
            If one is lost.
        """
        loaded = items_of(self._values, self._parts)
        for _ in range(self._count):
            item = next(loaded, _END)
            if item is _END:
                raise Gone
            yield item
            del item
        returned = next(loaded, None) if self._has_returned else None
        self._values.lift_whole(self._entry, self._sections)
        return returned

    def read(self) -> Generator[Any, None, Any]:
        """Do the same; if one is lost, compute all anew and go on if they are the same.

        Raises
        ------
        ReplayError
            If they are not.
        """
        items, given, lost = self.items(), 0, -1
        while True:
            try:
                with recording(None):
                    item = next(items)
            except StopIteration as stop:
                return stop.value
            except Gone:
                if given == lost:
                    raise ReplayError(
                        f"item {given} of a result of {self._entry.stage} is lost as fast as it is "
                        "computed; the cache has no room for it"
                    ) from None
                lost = given
                items = self._anew(given)
                continue
            given += 1
            yield item
            del item

    def _anew(self, given: int) -> Generator[Any, None, Any]:
        source = self._again(self._entry)
        if source.digest != self.digest:
            raise ReplayError(
                f"item {given} of a result of {self._entry.stage} was taken from the cache while "
                "it was read, and its body yields other items now. Read all of it anew."
            ) from None
        if isinstance(source, Kept):
            self._entry, self._parts = source._entry, source._parts
            self._sections = source._sections
            items = source.items()
        else:
            items = source.read()
        for _ in range(given):
            next(items)
        return items
