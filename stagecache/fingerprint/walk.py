"""Composes the digest of a value from the digests of its parts, whatever its depth and cycles.

What the parts are is decided by ``dispatch``.
"""

from __future__ import annotations

from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from stagecache.errors import FingerprintError
from stagecache.fingerprint.dispatch import take_apart
from stagecache.fingerprint.names import called, current_leaving_out, current_rank, name_of
from stagecache.fingerprint.origin import is_user_class
from stagecache.fingerprint.parts import COUNT, Known, Parts, Refused, digest_of
from stagecache.fingerprint.scalars import SCALARS, plain_digest, scalar_digests

if TYPE_CHECKING:
    from collections.abc import Iterable

_DEEPEST = 200_000
"""Levels. Objects whose ``__reduce__`` makes ever new objects have no end."""
_BULK = 16
_CONTAINERS = (dict, list, tuple, set, frozenset, MappingProxyType, SimpleNamespace)

_WAYS_OUT = (
    "Pass what it is made from instead (its path, its plain data), leave the parameter out with "
    "`ignore=`, or say what stands for it: `stagecache.register_fingerprint(type, function)` or a "
    "method `__stagecache_fingerprint__`."
)

Refs = tuple[object, ...]


class _Frame:
    """A value that is being composed."""

    __slots__ = ("digests", "is_at_work", "low", "next", "parts", "position", "refs", "value")

    def __init__(self, value: object, parts: Parts, position: int) -> None:
        self.value = value
        self.parts = parts
        self.next = 0
        self.digests: list[bytes] = []
        self.refs: list[tuple[int, Refs]] = []
        self.position = self.low = position
        self.is_at_work = False
        """Whether it holds something that is left out."""


class Walk:
    """One walk over one value.

    Digests do not depend on identity, so equal copies have equal digests: what is met twice
    counts as if it were there twice. Only in a cycle must identity count. It is walked from
    where it was entered, and what is met again is named by its distance on the trail, which
    holds all values whose cycle is not complete yet.

    Parameters
    ----------
    name : str
        What errors call the value itself.

    Attributes
    ----------
    digests : list of bytes
        When done: the digests of the value's own children, in their order.
    has_cycle : bool
        Whether there is a cycle anywhere in the value.

    Notes
    -----
    Source of the trail: R. Tarjan, "Depth-first search and linear graph algorithms" (1972).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.digests: list[bytes] = []
        self.has_cycle = False
        self._frames: list[_Frame] = []
        self._trail: list[object] = []
        self._open: dict[int, int] = {}
        # It holds the values too: an id means nothing once its object is gone.
        self._done: dict[int, tuple[object, bytes, Refs]] = {}
        self._single: dict[int, Refs] = {}

    def run(self, value: object) -> tuple[bytes, Refs]:
        """Return the digest of `value` and the user's classes and functions that it names.

        Raises
        ------
        FingerprintError
            Naming the place inside the value.
        FileNotFoundError
            If there is a ``File`` in the value that does not exist.
        """
        try:
            return self._run(value)
        except Refused as refusal:
            raise FingerprintError(
                self._path(), refusal.problem, remedy=refusal.remedy or _WAYS_OUT
            ) from refusal.__cause__
        except (FingerprintError, OSError, MemoryError):
            raise
        except Exception as error:  # an object of anybody's that raises when it is looked at
            problem = f"it cannot be taken apart ({type(error).__name__}: {error})"
            raise FingerprintError(self._path(), problem, remedy=_WAYS_OUT) from error

    def _run(self, value: object) -> tuple[bytes, Refs]:
        found = self._enter(value, None)
        while found is None:
            frame = self._frames[-1]
            try:
                is_complete = self._advance(frame)
            except Refused as refusal:
                if not self._leave_out(refusal):
                    raise
                continue
            if not is_complete:
                continue
            found = self._finish(frame)
            if self._frames:
                parent = self._frames[-1]
                parent.digests.append(found[0])
                if found[1]:
                    parent.refs.append((parent.next, found[1]))
                parent.next += 1
                found = None
        return found

    def _advance(self, frame: _Frame) -> bool:
        """Digest children until one has to be entered (False) or none is left (True)."""
        children, digests = frame.parts.children, frame.digests
        for index in range(frame.next, len(children)):
            child = children[index]
            scalar = SCALARS.get(type(child))
            if scalar is not None:
                digests.append(scalar(child))
                continue
            frame.next = index
            found = self._enter(child, frame)
            if found is None:
                return False
            digests.append(found[0])
            if found[1]:
                frame.refs.append((index, found[1]))
        frame.next = len(children)
        return True

    def _leave_out(self, refusal: Refused) -> bool:
        """Go on without what refused, if it may be left out; tell whether that is so.

        Of a library's object that holds such a thing all is left out: the rest of it may be
        bookkeeping of this very process.
        """
        leaving_out = current_leaving_out()
        frames = self._frames
        at = next((at for at, one in enumerate(frames) if not _is_of_the_user(one)), len(frames))
        if leaving_out is None or at == 0 or len(self._trail) >= _DEEPEST:
            return False
        where = self._path()
        if at < len(frames):
            for member in self._trail[frames[at].position :]:
                del self._open[id(member)]
            del self._trail[frames[at].position :]
            del frames[at:]
        keeper = frames[-1]
        child = keeper.parts.children[keeper.next]
        kind = type(child)
        standing_in = leaving_out.standing_for(child)
        if standing_in is None:
            leaving_out.problems.append((kind, f"{where}: {refusal.problem}"))
            name, ref = name_of(kind)
            digest, refs = digest_of(b"left out:" + name), () if ref is None else self._one(ref)
        else:
            digest, refs = Walk(where).run(standing_in)
        keeper.digests.append(digest)
        if refs:
            keeper.refs.append((keeper.next, refs))
        keeper.next += 1
        for frame in reversed(frames):
            if type(frame.value) not in _CONTAINERS:
                frame.is_at_work = True
                break
        return True

    def _enter(self, value: Any, parent: _Frame | None) -> tuple[bytes, Refs] | None:
        """Return the digest if it can be had at once, else open a frame."""
        if type(value) is Known:
            return value.digest, value.refs
        plain = plain_digest(value)
        if plain is not None and parent is not None:
            return plain, ()
        identity = id(value)
        done = self._done.get(identity)
        if done is not None:
            return done[1], done[2]
        position = self._open.get(identity)
        if position is not None:
            assert parent is not None, "the first value is on no trail"
            self.has_cycle = True
            parent.low = min(parent.low, position)
            return digest_of(b"cycle:" + COUNT(parent.position - position)), ()
        parts = take_apart(value)
        if isinstance(parts, bytes):
            return parts, ()
        if isinstance(parts, Known):
            return parts.digest, parts.refs
        if not parts.children:
            digest = digest_of(parts.head + COUNT(0))
            return digest, () if parts.ref is None else self._one(parts.ref)
        frame = _Frame(value, parts, len(self._trail))
        self._frames.append(frame)
        if len(self._frames) > _DEEPEST:
            del self._frames[4:]
            raise Refused(f"it is nested deeper than {_DEEPEST:,} levels")
        self._open[identity] = frame.position
        self._trail.append(value)
        if len(parts.children) >= _BULK:
            digests = scalar_digests(parts.children)
            if digests is not None:
                frame.digests, frame.next = digests, len(digests)
        return None

    def _finish(self, frame: _Frame) -> tuple[bytes, Refs]:
        parts, digests = frame.parts, frame.digests
        if len(self._frames) == 1:
            self.digests = digests
        if frame.is_at_work:
            _forget_what_changes(frame)
        pieces = [parts.head, COUNT(len(digests))]
        if parts.unordered:
            order = _ordered(frame)
            rank = {index: place for place, index in enumerate(order)}
            pieces += [digests[index] for index in order]
            frame.refs = sorted((rank[index], refs) for index, refs in frame.refs)
        else:
            pieces += digests
        refs: Refs = ()
        if frame.refs:
            refs, pattern = _unite(parts.ref, frame.refs)
            pieces.append(pattern)
        elif parts.ref is not None:
            refs = self._one(parts.ref)
        digest = digest_of(b"".join(pieces))
        self._frames.pop()
        if frame.low < frame.position:
            parent = self._frames[-1]
            parent.low = min(parent.low, frame.low)
        else:
            self._close(frame.position, digest, refs)
        return digest, refs

    def _close(self, position: int, digest: bytes, refs: Refs) -> None:
        """Remember a value, and the members of its cycle by their place in it."""
        members = self._trail[position:]
        del self._trail[position:]
        for place, member in enumerate(members):
            del self._open[id(member)]
            known = digest if place == 0 else digest_of(b"member:" + COUNT(place) + digest)
            self._done[id(member)] = (member, known, refs)

    def _one(self, ref: object) -> Refs:
        return self._single.setdefault(id(ref), (ref,))

    def _path(self) -> str:
        path = [self.name]
        for frame in self._frames:
            label, at = frame.parts.label, frame.next
            if label is not None and at < len(frame.parts.children):
                path.append(label(at))
        return "".join(path)


def _is_of_the_user(frame: _Frame) -> bool:
    kind = type(frame.value)
    return kind in _CONTAINERS or is_user_class(kind)


def _forget_what_changes(frame: _Frame) -> None:
    leaving_out, label = current_leaving_out(), frame.parts.label
    if leaving_out is None or label is None:
        return
    changing = leaving_out.changing(type(frame.value))
    for index in range(len(frame.digests)):
        if label(index).removeprefix(".") in changing:
            frame.digests[index] = digest_of(b"changing:")
            frame.refs = [(at, refs) for at, refs in frame.refs if at != index]


def _ordered(frame: _Frame) -> list[int]:
    """Return the order of elements that have none: by digest, then by what they refer to."""
    digests, rank = frame.digests, current_rank()
    if rank is None or len(set(digests)) == len(digests):
        return sorted(range(len(digests)), key=digests.__getitem__)
    ranks = {index: b"".join(map(rank, refs)) for index, refs in frame.refs}
    return sorted(range(len(digests)), key=lambda index: (digests[index], ranks.get(index, b"")))


def _unite(own: object, found: Iterable[tuple[int, Refs]]) -> tuple[Refs, bytes]:
    """Return all references once, in order of first meeting, and what tells namesakes apart.

    A digest holds the qualified name of a reference only. Where two different ones have the same
    name (two lambdas), which stands where must be in the digest of the container, or
    ``[f, g, f]`` and ``[f, g, g]`` would be the same.
    """
    united: dict[int, object] = {} if own is None else {id(own): own}
    last: Refs = ()
    for _, refs in found:
        if refs is not last:
            for ref in refs:
                united.setdefault(id(ref), ref)
            last = refs
    result = tuple(united.values())
    if len({reference_label(ref) for ref in result}) == len(result):
        return result, b""
    ordinals = {identity: ordinal for ordinal, identity in enumerate(united)}
    pattern = [b"namesakes:"]
    for index, refs in found:
        pattern += [COUNT(index), COUNT(len(refs))]
        pattern += [COUNT(ordinals[id(ref)]) for ref in refs]
    return result, b"".join(pattern)


def reference_label(ref: Any) -> str:
    """Return the name by which a digest knows a reference."""
    return called(ref) if current_rank() is None else ""
