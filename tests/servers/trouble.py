"""What went wrong with a shelf, how long that took, and all that was said about it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

import pytest

from stagecache.errors import ShelfError


def failure(work: Callable[[], object]) -> tuple[ShelfError, float]:
    """Return the error of `work`, and the seconds until it came."""
    started = time.monotonic()
    with pytest.raises(ShelfError) as caught:
        work()
    return caught.value, time.monotonic() - started


def everything_said(error: BaseException | None) -> str:
    """Return all that a traceback, a log or a debugger may show of an error, with its causes."""
    assert error is not None
    said = [*traceback.format_exception(error), repr(error), str(vars(error))]
    while error is not None:
        said += [repr(error.args), str(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(said)
