"""Decides how much of a traceback or a warning people see: what is theirs, and what is said."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING

import click

import stagecache
from stagecache.errors import StagecacheError, StagecacheWarning

if TYPE_CHECKING:
    from typing import TextIO

FAILED = 1
"""The exit code when a stage, or the file that holds it, raised."""

_OURS = tuple(package.__path__[0] + os.sep for package in (stagecache, click))


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an error that ended a command, in the frames of the user's code.

    An error that stagecache words itself needs no frames of its own. Any other error that is
    raised inside stagecache is a fault of stagecache and is shown whole.

    Examples
    --------
    >>> print(traceback_of(StagecacheError("The disk is full.")), end="")
    stagecache.errors.StagecacheError: The disk is full.
    """
    import traceback

    shown = traceback.TracebackException.from_exception(error)
    is_worded = isinstance(error, StagecacheError)
    if not is_worded and shown.stack and shown.stack[-1].filename.startswith(_OURS):
        return "".join(shown.format())
    theirs = [f for f in shown.stack if not f.filename.startswith((*_OURS, "<frozen "))]
    if is_worded and not theirs:
        return "".join(shown.format_exception_only())
    shown.stack = traceback.StackSummary.from_list(theirs)
    return "".join(shown.format())


def tell_warnings_plainly() -> None:
    """Let warnings of stagecache be shown in this process by their text alone.

    Where in stagecache they come from tells people nothing. What the user's code warns of, and
    which warnings are shown at all, stays as Python has it.
    """
    shown_before = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is None and issubclass(category, StagecacheWarning):
            sys.stderr.write(f"Warning: {message}\n")
        else:
            shown_before(message, category, filename, lineno, file, line)

    warnings.showwarning = show
