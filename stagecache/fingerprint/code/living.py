"""Decides what stands for a global that no pickle holds: what is in it at this moment.

Where such a thing lies inside of another it is at work there, and is left out (``held``).
"""

from __future__ import annotations

import io
import itertools
import sys
import warnings
from functools import lru_cache
from threading import local
from types import GeneratorType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_64_hexdigest

if TYPE_CHECKING:
    from collections.abc import Callable


SHARED = SimpleNamespace()
"""Stands for the connection of DuckDB that all of a process share, also before there is any."""
IN_MEMORY = "in memory"
"""The part of a database that code fills which does not only ask it."""
_MOST = 1000
_ENDLESS = (itertools.count, itertools.cycle)
_asked_by_bodies: dict[int, tuple[Any, Any, bytes]] = {}
"""By the identity of an iterator: it, what it had to give before a body asked it, and the digest
of what it had after that."""
_WRITING = frozenset({"write", "writelines", "truncate"})
_PASSING_ON = frozenset({"put", "put_nowait", "get", "get_nowait", "task_done", "update"})


def is_filled_by(value: Any, method: str) -> bool:
    """Tell whether a method fills or empties something: a queue, a text or bytes in memory."""
    if method in _WRITING:
        return type(value) in (io.StringIO, io.BytesIO)
    return method in _PASSING_ON and is_living(value)


def standing_for(value: Any) -> Any:
    """Return what is to be fingerprinted in the place of what a global holds; often that itself.

    Examples
    --------
    >>> import queue
    >>> jobs = queue.Queue()
    >>> jobs.put(3)
    >>> standing_for(jobs)
    (<class 'queue.Queue'>, [3])
    """
    if value is SHARED:
        duckdb = sys.modules.get("duckdb")
        con = duckdb and duckdb.default_connection()
        return "duckdb", _in_database(con) if con else b""
    kind: type = type(value)
    contents = _asked(_contents_of, kind)
    found = None if contents is None else contents(value)
    return value if found is None else (kind, found)


def worded(value: Any) -> Any:
    """Return what tells a person of a value that something else stands for it."""
    try:
        standing_in = standing_for(value)
    except Exception:  # noqa: BLE001 - it cannot be asked here: another thread's, say
        standing_in = value
    if standing_in is value:
        return value
    of, held = standing_in
    held = held[0] if type(held) is tuple else held
    if not isinstance(held, bytes):
        return held
    name = of if isinstance(of, str) else of.__name__
    return f"{name} with contents {xxh3_64_hexdigest(held)[:8]}"


def is_living(value: Any) -> bool:
    """Tell whether something else stands for a value."""
    kind: type = type(value)
    return _asked(_contents_of, kind) is not None


def is_database(value: Any) -> bool:
    """Tell whether a value is a connection or a context that SQL is asked through.

    Examples
    --------
    >>> import sqlite3
    >>> con = sqlite3.connect(":memory:")
    >>> is_database(con)
    True
    >>> con.close()
    """
    kind: type = type(value)
    return value is SHARED or _asked(_contents_of, kind) is _in_database


def _asked(known: Any, kind: type) -> Any:
    """Ask what is remembered by types, of which a metaclass may compare as it likes, or raise."""
    try:
        return known(kind)
    except Exception:  # noqa: BLE001 - as said above
        return known.__wrapped__(kind)


@lru_cache(maxsize=1024)
def _contents_of(kind: type) -> Callable[[Any], Any] | None:
    if issubclass(kind, _ENDLESS):
        return _given_by_bodies
    is_iterator = kind.__module__ in ("builtins", "itertools") and hasattr(kind, "__next__")
    if is_iterator and kind is not GeneratorType:
        return _left_of
    return next(filter(None, (_CONTENTS.get(_name(base)) for base in kind.__mro__)), None)


def _name(kind: type) -> tuple[str, str]:
    return str(kind.__module__).partition(".")[0], kind.__qualname__


def _left_of(iterator: Any) -> Any:
    """Return what an iterator of Python's own has still to give; a generator keeps that to itself.

    What a generator read is known otherwise (``keeping``).
    """
    if _asked(_contents_of, type(iterator)) not in (_left_of, _given_by_bodies):
        return iterator[:] if type(iterator) is list else iterator  # what a cycle has met grows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12 and 3.13
        made = iterator.__reduce__()
    return [[*map(_left_of, part)] if type(part) is tuple else part for part in made]


def _given_by_bodies(iterator: Any) -> Any:
    """Return what an iterator without end has still to give, as if no body had asked it.

    It gives numbers and colours, of which a hit takes none.
    """
    now = _left_of(iterator)
    known = _asked_by_bodies.get(id(iterator))
    if known is not None and known[0] is iterator and known[2] == _digest_of(now):
        return known[1]
    return now


def is_endless(value: Any) -> bool:
    """Tell whether a value is an iterator that never ends."""
    return issubclass(type(value), _ENDLESS)


def note_asked(iterator: Any, before: Any) -> None:
    """Remember that a body has asked an iterator without end.

    Parameters
    ----------
    iterator : object
        Of which :func:`is_endless` is true.
    before : object
        What stood for it before that.
    """
    if len(_asked_by_bodies) >= _MOST:
        _asked_by_bodies.clear()
    _asked_by_bodies[id(iterator)] = iterator, before[1], _digest_of(_left_of(iterator))


def _digest_of(state: Any) -> bytes:
    from stagecache.fingerprint.values import fingerprint

    return fingerprint(state).digest


def _in_database(value: Any) -> Any:
    from stagecache.fingerprint.databases import factories_of, in_memory

    held, factories = in_memory(value), factories_of(value)
    return held if held is None or not factories else (held, *factories)


def _itself(value: Any) -> Any:
    return value


_CONTENTS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("queue", "Queue"): lambda value: list(value.queue),
    ("_thread", "_local"): lambda value: dict(local.__getattribute__(value, "__dict__")),
    ("weakref", "WeakValueDictionary"): dict,
    ("weakref", "WeakKeyDictionary"): dict,
    ("_weakrefset", "WeakSet"): set,
    ("sqlite3", "Connection"): _in_database,
    ("sqlite3", "Cursor"): _in_database,
    ("_duckdb", "DuckDBPyConnection"): _in_database,
    ("polars", "SQLContext"): _in_database,
    ("blinker", "Signal"): lambda value: [one() for one in value.receivers.values()],
    ("pluggy", "PluginManager"): lambda value: [one for _, one in value.list_name_plugin()],
    ("_hashlib", "HASH"): _itself,
    ("_hashlib", "HMAC"): _itself,
    ("_blake2", "blake2b"): _itself,
    ("_blake2", "blake2s"): _itself,
    ("hmac", "HMAC"): _itself,
}
