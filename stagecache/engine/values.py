"""Keeps values and loads them again, whole or in parts; whether a result is good is not asked here.

A part is found by the digest of its bytes, so equal elements of any results are there once.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from xxhash import xxh3_128_digest

from stagecache import codecs
from stagecache.codecs.containers import decode_around, elements_of, encode_around
from stagecache.errors import DecodeError, EncodeError, warn
from stagecache.fingerprint.values import Fingerprint, Known, fingerprint
from stagecache.model import Digest, Entry, Key, Provenance
from stagecache.stores.sections import address, flat, unseal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stagecache.clock import Clock
    from stagecache.model import Options
    from stagecache.stores.tiered import Tiered


_SCHEMA = b"stagecache part 1"


class Gone(Exception):  # noqa: N818 - a miss, not an error
    """A value is not kept any more."""


class Packed(NamedTuple):
    """A value as it is put into a store."""

    codec: str
    sections: codecs.Sections
    parts: tuple[Key, ...] = ()
    """Those are there already."""


class Values:
    """Encodes and decodes what a store keeps.

    Parameters
    ----------
    store : Tiered
        Where parts are put, and everything is loaded from.
    clock : Clock
        Where time comes from.
    """

    def __init__(self, store: Tiered, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def packing(self, options: Options, compression: str | None) -> Packing:
        """Return what packs the values of one result."""
        private = self._store.private
        return Packing(self._store, self._clock, options.codec, compression, private=private)

    def far_packing(self, options: Options, compression: str | None) -> Packing | None:
        """Return what does so for tiers that take them in another form; None if there are none."""
        private = self._store.far_private
        if private is None:
            return None
        return Packing(
            self._store, self._clock, options.codec, compression, private=private, far=True
        )

    def load(self, entry: Entry) -> tuple[bool, Any]:
        """Return (True, value), or (False, None) if the value is missing or unreadable."""
        return self.loaded(entry, lambda: self.get(entry))

    def loaded(self, entry: Entry, load: Callable[[], Any]) -> tuple[bool, Any]:
        """Return (True, what `load` returns), or (False, None) if the value of `entry` is lost."""
        try:
            return True, load()
        except Gone:
            return False, None
        except Exception as error:  # noqa: BLE001 - unpickling runs code of the user's classes
            warn(
                f"A kept result of {entry.stage} cannot be read ({type(error).__name__}: {error}); "
                "probably a class in it has moved or changed, or a codec of yours is not "
                "registered here. It will be computed again."
            )
            return False, None

    def get(self, entry: Entry) -> Any:
        """Return the value of an entry.

        Raises
        ------
        Gone
            If it, or a part of it, is kept no longer.
        Exception
            If it cannot be decoded.
        """
        try:
            return self._got(entry)
        except Gone:
            # Lost here: others who share results may have it.
            lost = entry._replace(inline=None, blob=None)
            other = None if entry.is_part else self._store.valued(lost)
            if other is None or other == entry:
                raise
            return self._got(other)

    def _got(self, entry: Entry) -> Any:
        sections = self.sections(entry)
        private = self._store.vouches_for(entry)
        if not entry.parts:
            return codecs.decode(entry.codec, sections, private=private)
        if bytes(sections[0]) != b"".join(entry.parts):
            raise DecodeError("its parts are not those that it was made with")
        elements = [self.get(part) for part in self.entries(entry.parts)]
        self._store.lift_whole(entry, sections)
        return decode_around(entry.codec, sections[1:], elements, private=private)

    def sections(self, entry: Entry) -> list[memoryview]:
        """Return the encoded value of an entry.

        Raises
        ------
        Gone
            If it is kept no longer.
        """
        sections = self._store.load(entry)
        if sections is None:
            raise Gone
        return sections

    def lift_whole(self, entry: Entry, sections: Sequence[memoryview]) -> None:
        """Note that all parts of a result have been loaded; see :meth:`Tiered.lift_whole`."""
        self._store.lift_whole(entry, sections)

    def decode(self, entry: Entry, name: str, sections: Sequence[memoryview]) -> Any:
        """Return one of several values in an entry: what a codec wrote as `sections`."""
        return codecs.decode(name, sections, private=self._store.vouches_for(entry))

    def entries(self, keys: Sequence[Key]) -> list[Entry]:
        """Return the entries under `keys`.

        Raises
        ------
        Gone
            If there is one no longer.
        """
        found = self._store.get_many(list(set(keys)))
        if not all(key in found and _is_itself(found[key]) for key in keys):
            raise Gone
        return [found[key] for key in keys]


class Packing:
    """Packs values of one result; the parts are its own until an entry holds them.

    Parameters
    ----------
    store, clock
        As of :class:`Values`.
    wanted : str or None
        Name of the codec to try first.
    compression : str or None
        How bytes are compressed.
    private : bool
        Whether they may be pickles.
    far : bool, optional
        Whether they go into the far tiers.
    """

    def __init__(
        self,
        store: Tiered,
        clock: Clock,
        wanted: str | None,
        compression: str | None,
        *,
        private: bool,
        far: bool = False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wanted = wanted
        self._compression = compression
        self._private = private
        self._put = store.put_far if far else store.put
        self._writer: Key | None = None

    def pack(self, value: object, identity: Fingerprint) -> Packed:
        """Return `value` encoded; its large elements, if it is a container, are put as parts.

        Raises
        ------
        EncodeError
            If no codec holds it.
        """
        elements = elements_of(value, wanted=self._wanted, private=self._private)
        if elements:
            # Parts of one that fails go with the others, once these have been adopted.
            with suppress(EncodeError):
                return self._pack_around(value, identity, elements)
        codec, sections = self._encode(value, identity.digest)
        return Packed(codec, sections)

    def pack_for_memory(self, value: object, identity: Fingerprint) -> Packed | None:
        """Return `value` as only this process may keep it, or None if it cannot be kept so."""
        if self._private:  # then all was tried
            return None
        self._private = True
        with suppress(EncodeError):
            return Packed(*self._encode(value, identity.digest))
        return None

    def put(self, packed: Packed, result: Digest) -> Key:
        """Keep a part and return its key.

        Parameters
        ----------
        packed : Packed
            The encoded part.
        result : Digest
            Its fingerprint.

        Raises
        ------
        EncodeError
            If no store has room for it.
        """
        if self._writer is None:
            self._writer = Key(os.urandom(16))
        where = address(packed.codec, flat(packed.sections))
        entry = Entry(
            key=_part_key(where),
            result=result,
            stage="",
            code=Digest(b""),
            codec=packed.codec,
            inline=None,
            blob=None,
            size=0,
            created=self._clock.now(),
            seconds=0.0,
            parts=packed.parts,
        )
        provenance = Provenance(self._writer, (), "", 0, "")
        if not self._put(entry, packed.sections, provenance, None).has_value:
            raise EncodeError("there is no room for its parts")
        return entry.key

    def adopt(self, holder: Key) -> None:
        """Let go of the parts: an entry holds them now."""
        if self._writer is not None:
            self._store.adopt(self._writer, holder)
            self._writer = None

    def give_up(self) -> None:
        """Let go of the parts: no entry will hold them."""
        if self._writer is not None:
            self._store.remove([self._writer])
            self._writer = None

    def _pack_around(self, value: object, identity: Fingerprint, elements: list[object]) -> Packed:
        digests = _digests_of_elements(value, identity.items)
        known = [digests.get(id(element)) or fingerprint(element) for element in elements]
        codec, sections = encode_around(
            value,
            elements,
            private=self._private,
            proof=_digest,
            expected=identity.digest,
            stand_ins=[Known(each.digest, each.refs) for each in known],
            compression=self._compression,
        )
        keys = []
        for element, each in zip(elements, known, strict=True):
            keys.append(self.put(Packed(*self._encode(element, each.digest)), each.digest))
        return Packed(codec, [b"".join(keys), *sections], tuple(keys))

    def _encode(self, value: object, expected: Digest) -> tuple[str, codecs.Sections]:
        return codecs.encode(
            value,
            wanted=self._wanted,
            private=self._private,
            proof=_digest,
            expected=expected,
            compression=self._compression,
        )


def _part_key(where: Digest) -> Key:
    return Key(xxh3_128_digest(_SCHEMA + where))


def _is_itself(part: Entry) -> bool:
    """Tell whether a part is what its key says: where strangers write, that may be anything."""
    if not part.is_foreign:
        return True
    where = part.blob
    if part.inline is not None:
        sections = unseal(part)
        where = None if sections is None else address(part.codec, sections)
    return where is None or _part_key(where) == part.key


def _digests_of_elements(value: Any, items: bytes | None) -> dict[int, Fingerprint]:
    """Return the fingerprints of the elements of `value`, by ``id``, as far as `items` has them.

    To digest large elements once more would take as long as to write them.
    """
    if items is None:
        return {}
    elements = value.values() if type(value) is dict else value
    size, start = (32, 17) if type(value) is dict else (16, 1)
    return {
        id(element): Fingerprint(Digest(items[at : at + 16]))
        for at, element in zip(range(start, len(items), size), elements, strict=False)
    }


def _digest(value: object) -> Digest:
    return fingerprint(value).digest
