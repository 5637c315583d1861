"""Keeps what a generator yields, item by item: one is put away before the next is made.

Small items are put together, so that a million of them are not as many entries. Each is encoded
as it is yielded: a body may go on to change what it gave.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from stagecache.codecs import decode
from stagecache.codecs.chunks import CHUNK, ITEMS, join
from stagecache.engine.elsewhere import files_in
from stagecache.engine.replays import Remembered, head_of, items_of
from stagecache.engine.values import Gone, Packed
from stagecache.errors import EncodeError, FingerprintError, ReplayError
from stagecache.fingerprint.reads.recording import recording
from stagecache.fingerprint.replays import Sequel
from stagecache.fingerprint.values import Fingerprint, fingerprint
from stagecache.model import Digest
from stagecache.stores.sections import flat

if TYPE_CHECKING:
    from collections.abc import Generator

    from stagecache.clock import Clock
    from stagecache.engine.values import Packing, Values
    from stagecache.file import File
    from stagecache.fingerprint.values import Known
    from stagecache.model import Key

_APART = 64 << 10
"""Bytes, encoded, from which an item is a part of its own; to make a file costs 0.5 ms."""
_SEVERAL = Digest(bytes(16))
"""In place of the fingerprint of small items that are put together."""
_ENOUGH = 256 << 10
"""Bytes, encoded, of small items that are put together."""


class Spool:
    """Takes in what one generator yields.

    Parameters
    ----------
    values : Values
        Loads items again that cannot stay where they were put.
    packing : Packing or None
        Encodes and puts items; None: they stay in memory.
    clock : Clock
        Where time comes from.
    remembers : bool, optional
        Whether items that are not put stay in memory; else only the fingerprint is wanted.

    Attributes
    ----------
    identity : Known or None
        When all is taken in: the fingerprint of the whole, None if an item has none.
    files : list of File
        That were among the items.
    seconds : float
        What the generator itself took.
    problem : str
        Why the items could not be put, if so.
    """

    def __init__(
        self, values: Values, packing: Packing | None, clock: Clock, *, remembers: bool = True
    ) -> None:
        self._values = values
        self._packing = packing
        self._clock = clock
        self._remembers = remembers
        self._sequel: Sequel | None = Sequel()
        self._small: list[tuple[str, list[bytes]]] = []
        self._size = 0
        self._parts: list[Key] = []
        self._count = 0
        self._returned: Any = None
        self._in_memory: list[Any] = []
        self.identity: Known | None = None
        self.files: list[File] = []
        self.seconds = 0.0
        self.problem = ""

    def take_in(self, generator: Generator[Any, None, Any]) -> None:
        """Run a generator to its end; what it raises is raised, and nothing of it is kept.

        What is done here besides is nobody's read.
        """
        try:
            with closing(generator):
                while self._step(generator):
                    pass
            with recording(None):
                self._end()
        except BaseException:
            self.give_up()
            raise

    @property
    def packed(self) -> Packed | None:
        """The whole as it is put into a store, or None if it is in memory."""
        if self._packing is None:
            return None
        head = head_of(self._count, has_returned=self._returned is not None)
        return Packed(ITEMS, [b"".join(self._parts), *head], tuple(self._parts))

    def remembered(self) -> Remembered:
        """Return the items from memory, where they are brought if they are not yet."""
        self._to_memory()
        known = self.identity
        if known is None:
            return Remembered(self._in_memory, self._returned, None, ())
        return Remembered(self._in_memory, self._returned, Digest(known.digest), known.refs)

    def items(self) -> Generator[Any, None, Any]:
        """Yield the items from where they were put; return what the generator returned.

        Raises
        ------
        Gone
            If one is lost already.
        """
        loaded = items_of(self._values, self._values.entries(self._parts))
        for _ in range(self._count):
            yield next(loaded)
        return self._returned

    def adopt(self, holder: Key) -> None:
        """Let go of the parts: an entry holds them now."""
        if self._packing is not None:
            self._packing.adopt(holder)

    def give_up(self) -> None:
        """Let go of the parts: no entry will hold them."""
        if self._packing is not None:
            self._packing.give_up()

    def _step(self, generator: Generator[Any, None, Any]) -> bool:
        """Take in the next item, and tell whether there was one; here it is held by nobody else."""
        started = self._clock.monotonic()
        try:
            item = next(generator)
        except StopIteration as stop:
            self._returned = stop.value
            return False
        finally:
            self.seconds += self._clock.monotonic() - started
        with recording(None):
            self._take(item)
        return True

    def _take(self, item: Any) -> None:
        self.files += files_in(item)
        identity = self._identify(item)
        if self._sequel is not None and identity is not None:
            self._sequel.add(identity)
            if self._packing is not None and self._is_put(self._packing, item, identity):
                self._count += 1
                return
        self._count += 1
        if self._remembers:
            self._in_memory.append(item)

    def _end(self) -> None:
        returned = self._identify(self._returned)
        if self._sequel is None or returned is None:
            return
        self.identity = self._sequel.end(returned)
        if self._packing is not None and (
            self._returned is None or self._is_put(self._packing, self._returned, returned)
        ):
            try:
                self._flush(self._packing)
            except EncodeError as error:
                self._refuse(str(error))

    def _identify(self, value: Any) -> Fingerprint | None:
        """Return a fingerprint; if one item has none, the whole has none and cannot be kept."""
        if self._sequel is None:
            return None
        try:
            return fingerprint(value, name="item")
        except (FingerprintError, OSError) as error:  # the latter of a File that cannot be read
            self._sequel = None
            self._refuse(f"one of its items has no fingerprint: {error}")
            return None

    def _is_put(self, packing: Packing, item: Any, identity: Fingerprint) -> bool:
        try:
            packed = packing.pack(item, identity)
            size = sum(view.nbytes for view in flat(packed.sections))
            if packed.parts or size >= _APART:
                self._flush(packing)
                self._parts.append(packing.put(packed, identity.digest))
                return True
            self._small.append((packed.codec, [bytes(view) for view in flat(packed.sections)]))
            self._size += size
            if self._size >= _ENOUGH:
                self._flush(packing)
        except EncodeError as error:
            self._refuse(str(error))
            return False
        return True

    def _flush(self, packing: Packing) -> None:
        if self._small:
            self._parts.append(packing.put(Packed(CHUNK, join(self._small)), _SEVERAL))
            self._small, self._size = [], 0

    def _refuse(self, problem: str) -> None:
        """Go on in memory, since an item cannot be put."""
        self.problem = self.problem or problem
        self._to_memory()

    def _to_memory(self) -> None:
        """Load what was put, and let go of it."""
        packing, self._packing = self._packing, None
        if packing is None:
            return
        if not self._remembers:
            packing.give_up()
            return
        try:
            for item in items_of(self._values, self._values.entries(self._parts)):
                self._in_memory.append(item)
            for name, sections in self._small:
                views = [memoryview(section) for section in sections]
                self._in_memory.append(decode(name, views, private=True))
        except Gone:
            raise ReplayError("items that were kept a moment ago are gone from the cache") from None
        finally:
            packing.give_up()
        del self._in_memory[self._count :]
