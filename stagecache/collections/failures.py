"""Why an item was not finished: what is kept of an exception, beside the item."""

from __future__ import annotations

import os
from typing import NamedTuple

from stagecache.leases.base import this_host

_LONG = 16_000
"""Characters that are kept of a message, and of a traceback: of this its end."""


class Failure(NamedTuple):
    """What went wrong with an item."""

    kind: str
    """The exception's type; empty if there was none."""
    message: str
    traceback: str
    where: str
    """The process."""
    when: float = 0.0
    times: int = 0
    """How often the item was taken by then."""
    priority: int = 0

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" if self.kind else self.message


def failure_of(error: BaseException | str) -> Failure:
    """Return what is kept of an error.

    Raises
    ------
    TypeError
        If it is neither an exception nor a text.

    Examples
    --------
    >>> str(failure_of(ValueError("no number")))
    'ValueError: no number'
    """
    if isinstance(error, str):
        return Failure("", error[:_LONG], "", _here())
    if not isinstance(error, BaseException):
        raise TypeError(f"an error is an exception or a text, not {error!r}")
    import traceback

    try:
        message = str(error)
    except Exception as problem:  # noqa: BLE001 - an exception of the user's
        message = f"<its text cannot be had: {type(problem).__name__}>"
    try:
        trace = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - the same
        trace = ""
    return Failure(type(error).__qualname__, message[:_LONG], trace[-_LONG:], _here())


def lost(reason: str) -> Failure:
    """Return what is kept of an item whose worker said nothing."""
    return Failure("", reason, "", "")


def _here() -> str:
    return f"pid {os.getpid()} on {this_host()}"
