"""Lets work of joblib belong to who asked for it, whichever thread submits it.

``Parallel`` submits what it begins with. The rest is taken from its iterator and submitted when
something is done, in a thread of the executor, which may have begun for somebody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from stagecache.inheriting import Inheritance, inheritance

if TYPE_CHECKING:
    from collections.abc import Callable

_called: WeakKeyDictionary[Any, Inheritance] = WeakKeyDictionary()


def calls(parallel: Any, _options: dict[str, Any]) -> None:
    """Note who has work done in parallel."""
    _called[parallel] = inheritance()


def goes_on(parallel: Any, _options: dict[str, Any]) -> Callable[[], None] | None:
    """Let what is submitted now be of who has it done; what is returned ends that."""
    given = _called.get(parallel)
    return None if given is None else given.enter()
