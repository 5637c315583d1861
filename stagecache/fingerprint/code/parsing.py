"""Reads the text of a program as a tree, in one thread at a time.

Python counts in one place for all threads how deep the tree is that it makes. Where it changes
threads in the middle, the other one's tree is refused: ``SystemError: AST constructor recursion
depth mismatch`` (https://github.com/python/cpython/issues/106905).
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from stagecache.forking import hold_over_forks

_ATTEMPTS = 20


class _Turns:
    """The lock, free in the child of a fork as well."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        hold_over_forks(self)

    def before_fork(self) -> None:
        """Wait until nobody reads."""
        self.lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:  # noqa: ARG002
        """Go on."""
        self.lock.release()


_turns = _Turns()


def parse(text: str, mode: str = "exec") -> Any:
    """Do as :func:`ast.parse` does, whatever other threads read meanwhile.

    Parameters
    ----------
    text : str
        The program.
    mode : str, optional
        ``eval`` if it is an expression.

    Returns
    -------
    ast.Module or ast.Expression
        The tree.

    Raises
    ------
    SyntaxError, ValueError, RecursionError, MemoryError
        If it is no program, or none that can be read.

    Examples
    --------
    >>> parse("a + 1", "eval").body.left.id
    'a'
    """
    import ast

    for _ in range(_ATTEMPTS):
        with suppress(SystemError), _turns.lock:  # of a thread that is not ours
            return ast.parse(text, mode=mode)
    return ast.parse(text, mode=mode)
