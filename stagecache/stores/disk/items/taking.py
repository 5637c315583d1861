"""Lets a statement that takes items away show them first: what cannot be read or decoded stays.

``DELETE ... RETURNING taken(codec, value, blob, seal)`` calls a function of this thread for each
item. If that raises, the statement is undone, and raises the same. To read first, and to delete
what was read, are two statements and a third more time.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import apsw

T = TypeVar("T")

_local = threading.local()


def equip(connection: apsw.Connection) -> None:
    """Let statements of `connection` call the function."""
    connection.create_scalar_function("taken", _taken, 4)


def showing(look: Callable[[str, Any, Any, int], None], work: Callable[[], T]) -> T:
    """Return what `work` returns, whose statements show the items they take to `look`."""
    _local.look = look
    try:
        return work()
    finally:
        del _local.look


def _taken(*fields: Any) -> None:
    _local.look(*fields)
