"""Lets a thread know what the one that starts it is at work on: threads are handed no context.

Only what is stagecache's own: a body's threads must find every other context as they always did.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import ContextVar


class _Inherited(NamedTuple):
    variable: ContextVar[Any]
    is_worth: Callable[[Any], bool]


_inherited: list[_Inherited] = []


def inherit(variable: ContextVar[Any], is_worth: Callable[[Any], bool]) -> None:
    """Hand a variable on to threads that are started where its value is worth it.

    Parameters
    ----------
    variable : ContextVar
        Of one room.
    is_worth : callable
        Takes its value. Threads of a pool outlive whoever starts them: what they are given stays
        theirs.

    Examples
    --------
    >>> from contextvars import ContextVar
    >>> work = ContextVar("work", default="")
    >>> inherit(work, bool)
    >>> token = work.set("sums")
    >>> thread = threading.Thread(target=lambda: print(work.get()))
    >>> thread.start(); thread.join()
    sums
    >>> work.reset(token)
    """
    if not _inherited:
        _wrap_start()
    _inherited.append(_Inherited(variable, is_worth))


class Inheritance(list[tuple["ContextVar[Any]", Any]]):
    """What a thread is handed on, or one that goes on with somebody's work."""

    def enter(self) -> Callable[[], None]:
        """Let it be in force; what is returned ends that.

        Examples
        --------
        >>> from contextvars import ContextVar
        >>> work = ContextVar("work", default="")
        >>> leave = Inheritance([(work, "sums")]).enter()
        >>> work.get()
        'sums'
        >>> leave()
        >>> work.get()
        ''
        """
        tokens = [(variable, variable.set(value)) for variable, value in self]

        def leave() -> None:
            for variable, token in tokens:
                variable.reset(token)

        return leave


def inheritance() -> Inheritance:
    """Return what is handed on from here."""
    return Inheritance(
        (variable, value) for variable, is_worth in _inherited if is_worth(value := variable.get())
    )


def _wrap_start() -> None:
    plain = threading.Thread.start

    def start(self: threading.Thread) -> None:
        given = inheritance()
        if given:
            _give(self, given)
        try:
            plain(self)
        except BaseException:
            if given:
                vars(self).pop("run", None)
            raise

    start.__doc__ = plain.__doc__
    threading.Thread.start = start  # type: ignore[method-assign]


def _give(thread: threading.Thread, given: Inheritance) -> None:
    run = thread.run

    def run_with() -> None:
        vars(thread).pop("run", None)
        given.enter()
        run()

    thread.run = run_with  # type: ignore[method-assign]
