"""Shows on a terminal how far something has come; what that is, the caller says."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SECONDS = 0.1
"""Between two pictures."""


@contextmanager
def progress_bar(wanted: bool) -> Iterator[Callable[[float, str], None]]:
    """Yield what takes a share from 0 to 1 and a text, and shows both while the block runs.

    On standard error, if that is a terminal and NO_COLOR is not set; the bar is gone afterwards.
    """
    if not wanted or not _is_lively():
        yield lambda _share, _text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    shown = 0.0
    bar = Progress(
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
    )
    task = bar.add_task("", total=1.0)

    def show(share: float, text: str) -> None:
        nonlocal shown
        now = time.perf_counter()
        if now - shown >= _SECONDS or share >= 1.0:
            shown = now
            bar.update(task, completed=share, description=text, refresh=True)

    with bar:
        yield show


def _is_lively() -> bool:
    return (
        sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
