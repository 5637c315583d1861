"""Turns the trouble of a store into one warning, so that the job goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from stagecache.errors import DoesNotFitError, StoreError, warn

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_warned: set[tuple[str, str, object, object]] = set()
"""Stores and causes that this process has been told of."""
_troubled: set[str] = set()
"""Stores that have kept nothing since the last warning: one trouble has many causes in its wake."""


def ask(
    store: object, otherwise: T, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Return the answer to a question to `store`, or `otherwise` if the store is in trouble.

    Examples
    --------
    >>> ask("a store", 0, len, "abc")
    3
    """
    try:
        return question(*args, **kwargs)
    except StoreError as error:
        warn_once(store, error)
        return otherwise


def warn_once(store: object, error: StoreError) -> None:
    """Warn of a store's trouble, unless it is in trouble still or the cause was told of before.

    What finds no room is no trouble of the store's: it is told of once for each stage.
    """
    cause, name = error.__cause__, repr(store)
    stage = error.stage if isinstance(error, DoesNotFitError) else None
    kind = (name, type(cause).__name__, getattr(cause, "errno", None), stage)
    if kind in _warned or (stage is None and name in _troubled):
        return
    if stage is None:
        _troubled.add(name)
    _warned.add(kind)
    warn(
        f"{error} Until then results are kept in this process's memory only, within its bound, "
        "and the next process may compute them again."
    )


def works(store: object) -> None:
    """Note that a store has kept a result: what goes wrong from now on is another trouble."""
    if _troubled:
        _troubled.discard(repr(store))
