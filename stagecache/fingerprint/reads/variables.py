"""Sees which environment variables the user's code reads and sets.

``os.environ`` raises no audit events, so its class is wrapped, once. What a library or Python
reads for itself, such as ``PATH`` or ``TZ``, is no input that a person had in mind; what is read on
behalf of the user's code is decided by ``asking``.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from threading import get_ident
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.reads.attribution import nobody, variables_set
from stagecache.fingerprint.reads.once import once
from stagecache.fingerprint.reads.owners import owners

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stagecache.fingerprint.reads.asking import Call
    from stagecache.fingerprint.reads.attribution import Owner

_passing: dict[int, tuple[Any, bool]] = {}
"""By thread: the name that an iteration has just given, and whether the user's code iterates."""


@once
def install() -> None:
    """Begin to look, once in the life of the process."""
    _wrap(type(os.environ))


def _wrap(kind: Any) -> None:
    get, names, put, remove = kind.__getitem__, kind.__iter__, kind.__setitem__, kind.__delitem__
    show = kind.__repr__

    def getitem(self: Any, key: Any) -> Any:
        if self is os.environ or _is_environment(self):
            try:
                tellers = owners(sys._getframe(1))
                if tellers:  # else nobody runs or keeps anything, or stagecache itself asks
                    _tell_read(key, tellers)
            except Exception:  # noqa: BLE001, S110 - what cannot be told is one event not seen
                pass
        return get(self, key)

    def iterate(self: Any) -> Iterator[Any]:
        if not _is_environment(self):
            yield from names(self)
            return
        thread, is_users = get_ident(), _tell_all()
        try:
            for name in names(self):
                _passing[thread] = name, is_users
                yield name
        finally:
            _passing.pop(thread, None)

    def represent(self: Any) -> Any:
        if _is_environment(self):
            for name in self:
                with suppress(Exception):
                    _tell_read(name, owners())
        return show(self)

    def setitem(self: Any, key: Any, value: Any) -> None:
        put(self, key, value)
        _tell_set(key)

    def delitem(self: Any, key: Any) -> None:
        remove(self, key)
        _tell_set(key)

    for name, function in {
        "__getitem__": getitem,
        "__iter__": iterate,
        "__repr__": represent,
        "__setitem__": setitem,
        "__delitem__": delitem,
    }.items():
        setattr(kind, name, function)


def _is_environment(mapping: Any) -> bool:
    return mapping is os.environ or mapping is getattr(os, "environb", None)


def _tell_read(key: Any, tellers: Sequence[Owner]) -> None:
    from stagecache.fingerprint.reads.asking import call

    passing, is_users = _passing.get(get_ident(), (None, False))
    is_passing = passing is not None and passing == key
    if is_passing and not is_users:
        return
    name = os.fsdecode(key)
    if not is_passing:
        asked = call()
        if asked is None or not _is_meant(asked, name, tellers[0].seen.overheard):
            return
    for each in tellers:
        each.seen.read_variable(name)


def _is_meant(asked: Call, name: str, overheard: set[tuple[Any, str]]) -> bool:
    """Tell whether the user's code means a variable; look deep into arguments only once."""
    from stagecache.fingerprint.reads.shells import is_of_a_shell

    if asked.hands_all or asked.names(name):
        return True
    if is_of_a_shell(name) or (asked.kind, name) in overheard:
        return False
    if asked.holds(name):
        return True
    overheard.add((asked.kind, name))
    return False


def _tell_all() -> bool:
    """Tell that all variables are looked through; return whether on behalf of the user's code."""
    with suppress(Exception):
        from stagecache.fingerprint.reads.asking import call

        tellers = owners()
        asked = call() if tellers else None
        if asked is None:
            return False
        overheard = tellers[0].seen.overheard
        if (asked.kind, "*") in overheard:
            return False
        with nobody():
            wanted = ["*"] if asked.hands_all else list(asked.named())
        if not wanted:
            overheard.add((asked.kind, "*"))
        for each in tellers:
            for name in wanted:
                each.seen.read_variable(name)
        return asked.hands_all
    return False


def _tell_set(key: Any) -> None:
    with suppress(Exception):
        name = os.fsdecode(key)
        variables_set.add(name)
        for each in owners():
            each.seen.set_variable(name)
