"""Gives the fingerprint of code, as it was taken before as long as that one holds.

What counts is found by ``reach``, made a digest by ``numbering`` and watched by ``taken``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_digest

from stagecache.fingerprint.code.items import has_contents
from stagecache.fingerprint.code.numbering import graph_digest
from stagecache.fingerprint.code.reach import Graph
from stagecache.fingerprint.code.taken import Taken
from stagecache.fingerprint.looking import things_in
from stagecache.model import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.fingerprint.code.keeping import Memo
    from stagecache.fingerprint.code.nodes import Value
    from stagecache.fingerprint.values import Fingerprint
    from stagecache.model import CodeManifest

_MOST_KEPT = 4096

_kept: dict[int | tuple[int, ...], Taken] = {}


def fingerprint_code(fn: Callable[..., Any]) -> Digest:
    """Return the fingerprint of a function and of everything of the user's that it reaches.

    The names of its arguments count, its own defaults do not: they are bound arguments.

    Parameters
    ----------
    fn : callable
        Usually a function; whatever has code will do.

    Returns
    -------
    Digest
        Equal for equal code in a script, a module and a notebook.

    Examples
    --------
    >>> def scaled(x):
    ...     "Documented."
    ...     return FACTOR * x
    >>> before = fingerprint_code(scaled)
    >>> FACTOR = 2
    >>> fingerprint_code(scaled) == before
    False
    """
    taken = _kept.get(id(fn))
    if taken is None or not taken.holds():
        taken = _keep(id(fn), Taken((fn,), Graph((fn,), defaults=False)))
    return taken.digest


def counted_by(fn: Callable[..., Any]) -> frozenset[str]:
    """Return the environment variables and modules that the fingerprint of `fn` has counted.

    Parameters
    ----------
    fn : callable
        As it was given to :func:`fingerprint_code`.
    """
    taken = _kept.get(id(fn))
    return frozenset() if taken is None else taken.counted


def texts_of(fn: Callable[..., Any]) -> Iterator[str]:
    """Yield the texts and paths among the constants and globals of the code which `fn` reaches.

    Parameters
    ----------
    fn : callable
        As it was given to :func:`fingerprint_code`.
    """
    from pathlib import PurePath

    taken = _kept.get(id(fn))
    return (
        value if isinstance(value, str) else os.fspath(value)
        for value in things_in(() if taken is None else taken.sources())
        if issubclass(type(value), str | PurePath)
    )


def packages_of(fn: Callable[..., Any]) -> frozenset[tuple[str, str]]:
    """Return the distributions that code which `fn` reaches mentions, each with what of it.

    Parameters
    ----------
    fn : callable
        As it was given to :func:`fingerprint_code`.
    """
    taken = _kept.get(id(fn))
    return frozenset() if taken is None else taken.packages


def kept_by(fn: Callable[..., Any]) -> tuple[Memo, ...]:
    """Return the functions that `fn` reaches and that keep what they made.

    Parameters
    ----------
    fn : callable
        As it was given to :func:`fingerprint_code`.
    """
    taken = _kept.get(id(fn))
    return () if taken is None else taken.memos


def values_of(fn: Callable[..., Any]) -> list[Value]:
    """Return the values that the code which `fn` reaches holds, as far as they may change.

    Parameters
    ----------
    fn : callable
        As it was given to :func:`fingerprint_code`.
    """
    taken = _kept.get(id(fn))
    return [] if taken is None else taken.values


def filled_by(fn: Callable[..., Any]) -> Iterator[Any]:
    """Yield the dicts and objects that the code which `fn` reaches fills, in all or in part.

    Parameters
    ----------
    fn : callable
        As it was given to :func:`fingerprint_code`.
    """
    taken = _kept.get(id(fn))
    if taken is not None:
        yield from (value.value for value in taken.values if value.parts)
        yield from filter(has_contents, (slot.content() for slot in taken.filled))


def reached_by(refs: tuple[object, ...]) -> Taken:
    """Return all that classes and functions reach, to be asked whether it is still the same."""
    return Taken(refs, Graph(refs, defaults=True, as_filled=True))


def fingerprint_references(refs: tuple[object, ...]) -> Digest:
    """Return the fingerprint of the code of classes and functions that a value names.

    Parameters
    ----------
    refs : tuple of object
        As in :attr:`Fingerprint.refs`.
    """
    key = tuple(map(id, refs))
    taken = _kept.get(key)
    if taken is None or not taken.holds():
        taken = _keep(key, Taken(refs, Graph(refs, defaults=True)))
    return taken.digest


def complete(fp: Fingerprint) -> Digest:
    """Return the fingerprint of a value with the code of the classes that it names."""
    if not fp.refs:
        return fp.digest
    return Digest(xxh3_128_digest(fp.digest + fingerprint_references(fp.refs)))


def describe_code(fn: Callable[..., Any]) -> CodeManifest:
    """Return what the fingerprint of `fn` is made of, with source texts as far as there are any.

    Examples
    --------
    >>> def area(radius):
    ...     return PI * radius**2
    >>> PI = 3.14
    >>> [(part.name, part.kind) for part in describe_code(area).parts]
    [('area', 'function'), ('PI', 'value'), ('python', 'version')]
    """
    from stagecache.fingerprint.code.manifest import manifest_of

    graph = Graph((fn,), defaults=False)
    return manifest_of(graph, graph_digest(graph))


def _keep(key: int | tuple[int, ...], taken: Taken) -> Taken:
    if len(_kept) >= _MOST_KEPT:  # a notebook that defines its functions over and over
        _kept.clear()
    _kept[key] = taken
    return taken
