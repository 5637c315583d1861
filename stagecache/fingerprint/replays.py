"""Fingerprints what a generator stage gave: by its items, which are known already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.parts import COUNT, Known, Refused
from stagecache.model import Digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.fingerprint.values import Fingerprint


class Sequel:
    """Composes the fingerprint of a generator from those of its items, one after the other.

    Attributes
    ----------
    refs : tuple
        The user's classes and functions named so far, each once.

    Examples
    --------
    >>> from stagecache.fingerprint.values import fingerprint
    >>> one, other = Sequel(), Sequel()
    >>> one.add(fingerprint(1)), one.add(fingerprint(2)), other.add(fingerprint(1))
    (None, None, None)
    >>> one.end(fingerprint(None)).digest == other.end(fingerprint(None)).digest
    False
    """

    def __init__(self) -> None:
        from xxhash import xxh3_128

        self._state = xxh3_128(b"generator:")
        self._count = 0
        self._ordinals: dict[int, int] = {}
        self._refs: list[object] = []

    def add(self, item: Fingerprint) -> None:
        """Take the next item."""
        self._count += 1
        self._state.update(b"item" + self._framed(item))

    def end(self, returned: Fingerprint) -> Known:
        """Return the fingerprint of the whole, what the generator returned included."""
        self._state.update(b"end" + COUNT(self._count) + self._framed(returned))
        return Known(Digest(self._state.digest()), tuple(self._refs))

    def _framed(self, item: Fingerprint) -> bytes:
        # A digest tells of a class only its name: which of two namesakes it is, stands here.
        pieces = [item.digest, COUNT(len(item.refs))]
        for ref in item.refs:
            if id(ref) not in self._ordinals:
                self._ordinals[id(ref)] = len(self._refs)
                self._refs.append(ref)
            pieces.append(COUNT(self._ordinals[id(ref)]))
        return b"".join(pieces)


def _take_replay(value: Any) -> Known:
    if not value.is_untouched:
        raise Refused(
            "it has been read from, so nobody knows which of its items a stage would get",
            "Pass it before you read from it, or pass `.again()` of it.",
        )
    if value.source.digest is None:
        raise Refused(
            "one of its items has no fingerprint",
            "Pass a list of what stands for its items instead.",
        )
    return Known(value.source.digest, value.source.refs)


TAKERS: dict[str, Callable[[Any], Known]] = {"Replay": _take_replay}
