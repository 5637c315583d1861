"""Which elements of a container are kept apart from it, and the container without them.

A container is kept as a *frame* in which its large elements are only mentioned by number, and
these are values of their own for whoever keeps them: what did not change is there once, within a
result and between results. Where the elements go is not known here.

What comes back is what was returned, the same object in two places included: an element is found
by identity. So only such values are elements as can share nothing with others but memory that is
copied anyway, text, bytes, and arrays and frames of a few libraries; an object of any other class
stays in the frame, with whatever it refers to.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from stagecache.codecs.base import Framework, codec, codec_names
from stagecache.codecs.compression import compress, decompress
from stagecache.codecs.plain import Plain
from stagecache.codecs.plain_form import TYPES
from stagecache.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stagecache.codecs.base import Sections
    from stagecache.model import Digest

LARGE = 16 << 10
"""Bytes, about, from which an element is kept apart."""
_FEW = 100
_HUGE = 256 << 10
"""To make a file costs about what it costs to write so many bytes (0.5 ms). Of more elements than
a few only such are kept apart: a thousand arrays of 20 KB are kept in 28 ms as one, in 1.3 s as a
thousand files."""
_MOST = 1_000
_LOOKED_AT = 100_000
_CONTAINERS = (dict, list, tuple)
_SCALARS = frozenset((int, float, bool, complex, type(None)))
_SIZED = frozenset((str, bytes))
_LIBRARIES = frozenset(("numpy", "pandas", "pyarrow", "polars"))
_small = Plain(limit=LARGE)


def elements_of(value: object, *, wanted: str | None, private: bool) -> list[object]:
    """Return the elements of `value` that are kept apart, each object once.

    Parameters
    ----------
    value : object
        A dict, list or tuple (no subclass but a named tuple) has elements, and so have those in
        it, at any depth.
    wanted : str or None
        Name of the codec that somebody chose. If it takes the container itself, there are none.
    private : bool
        Whether only this user can have written where they go. Elsewhere, where nothing can be
        unpickled, whatever is not plain is kept apart.

    Examples
    --------
    >>> large = b"x" * 20_000
    >>> elements_of({"a": [large, 1], "b": large}, wanted=None, private=True) == [large]
    True
    >>> elements_of(large, wanted=None, private=True)
    []
    """
    if not _is_container(type(value)):
        return []
    if wanted in codec_names() and codec(str(wanted)).accepts(value):
        return []
    found: dict[int, tuple[int, object]] = {}
    seen = {id(value)}
    waiting: list[Any] = [value]
    left = _LOOKED_AT
    for container in waiting:  # which grows
        inner: Iterable[Any] = container.values() if type(container) is dict else container
        kinds = set(map(type, inner))
        if kinds <= _SCALARS or (kinds <= _SIZED and max(map(len, inner)) <= LARGE):
            continue
        left -= len(container)
        if left < 0:
            return []
        for element in inner:
            kind = type(element)
            if _is_container(kind):
                if id(element) not in seen:
                    seen.add(id(element))
                    waiting.append(element)
                continue
            size = _bytes_of(element) if private or kind in TYPES else _HUGE
            if size > LARGE:
                found[id(element)] = (size, element)
    least = LARGE if len(found) <= _FEW else _HUGE
    elements = [element for size, element in found.values() if size >= least]
    return elements if len(elements) <= _MOST else []


def encode_around(
    value: object,
    elements: Sequence[object],
    *,
    private: bool,
    proof: Callable[[object], Digest],
    expected: Digest,
    stand_ins: Sequence[object],
    compression: str | None = None,
) -> tuple[str, Sections]:
    """Return the name of the codec that holds `value` without its elements, and the sections.

    Parameters
    ----------
    value, elements
        A container and its :func:`elements_of`.
    private, proof, expected, compression
        As of :func:`~stagecache.codecs.choose.encode`.
    stand_ins : sequence
        For each element something of the same fingerprint. What is decoded around them must have
        the one expected: so no element is decoded for this proof.

    Raises
    ------
    EncodeError
        If no codec holds it.
    """
    numbers = {id(element): number for number, element in enumerate(elements)}
    problem = EncodeError("no codec is tried")
    for candidate in _frameworks(private):
        try:
            sections = candidate.encode_around(value, numbers)
            _prove(candidate, sections, stand_ins, proof, expected)
        except EncodeError as error:
            problem = error
            continue
        if compression is not None:
            packed = compress(compression, sections, private=private)
            if packed is not None:
                return f"{candidate.name}+{compression}", packed
        return candidate.name, sections
    raise problem


def decode_around(
    name: str, sections: Sequence[memoryview], elements: Sequence[object], *, private: bool
) -> object:
    """Return the container that :func:`encode_around` was given.

    Parameters
    ----------
    name, sections
        As it returned them.
    elements : sequence
        Equal to those that it was given, in their order.
    private : bool
        Whether only this user can have written the sections.

    Raises
    ------
    DecodeError
        If the sections are foreign or damaged.

    Examples
    --------
    >>> text = "x" * 20_000
    >>> name, sections = encode_around(
    ...     [text, 1], [text], private=True, proof=str, expected="[7, 1]", stand_ins=[7]
    ... )
    >>> views = [memoryview(section) for section in sections]
    >>> decode_around(name, views, ["the text"], private=True)
    ['the text', 1]
    """
    chosen = codec(name)
    if not isinstance(chosen, Framework):
        raise DecodeError(f"{name!r} holds no frame of a container")
    if not private and not chosen.safe:
        raise DecodeError(f"{name!r} can run code and is not read from a shared place")
    if chosen.name != name:
        sections = decompress(name.removeprefix(chosen.name + "+"), sections, private=private)
    return chosen.decode_around(sections, elements)


def _frameworks(private: bool) -> list[Any]:
    if private:
        return [_small, codec("pickle"), codec("cloudpickle")]
    return [codec("plain")]


def _prove(
    candidate: Any,
    sections: Sections,
    stand_ins: Sequence[object],
    proof: Callable[[object], Digest],
    expected: Digest,
) -> None:
    views = [memoryview(section).cast("B").toreadonly() for section in sections]
    try:
        found = proof(candidate.decode_around(views, stand_ins))
    except Exception as error:
        raise EncodeError(f"what it wrote does not decode: {error}") from error
    if found != expected:
        raise EncodeError("it does not give back exactly the same value")


def _is_container(kind: type) -> bool:
    return kind in _CONTAINERS or (issubclass(kind, tuple) and hasattr(kind, "_fields"))


def _bytes_of(value: Any) -> int:
    """Return the bytes that `value` takes, about; 0 if it is nothing that is kept apart."""
    kind = type(value)
    if kind in _SIZED:
        return len(value)
    package = str(kind.__module__).partition(".")[0]
    if package not in _LIBRARIES:
        return 0
    if package == "numpy":
        numpy = sys.modules["numpy"]
        return 0 if kind is not numpy.ndarray or value.dtype.hasobject else int(value.nbytes)
    if package == "pandas":
        size = getattr(value, "size", 0)  # memory_usage() takes 10 us a column
        return 8 * size if isinstance(size, int) else 0
    size = value.estimated_size() if hasattr(value, "estimated_size") else None
    size = getattr(value, "nbytes", 0) if size is None else size
    return size if isinstance(size, int) else 0
