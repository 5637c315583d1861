"""Writes what commands found: one JSON object for programs, tables for people."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

UNITS = ("B", "kB", "MB", "GB", "TB")


@contextmanager
def stdout_kept_clear(wanted: bool) -> Iterator[None]:
    """Send what user code prints to stderr while the block runs, if `wanted`.

    Down to the file descriptor, so that subprocesses and native libraries cannot spoil the
    JSON on stdout either.
    """
    if not wanted:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def print_json(value: Any) -> None:
    """Print one object on one line."""
    import json

    sys.stdout.write(json.dumps(value) + "\n")


def print_text(text: str) -> None:
    """Print text as it is: no markup, no wrapping, no colour."""
    sys.stdout.write(text + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; a heading that begins with ``>`` is right-aligned.

    The last column takes what width is left. Without a terminal nothing is cut.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in columns:
        justify: Any = "right" if heading.startswith(">") else "left"
        is_last = heading is columns[-1]
        table.add_column(
            heading.removeprefix(">"), justify=justify, no_wrap=not is_last, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        unbounded = console.options.update(max_width=100_000)
        console.width = max(console.width, console.measure(table, options=unbounded).maximum)
    with console.capture() as captured:
        console.print(table)
    print_text("\n".join(line.rstrip() for line in captured.get().splitlines()))


def size(count: float) -> str:
    """Return a number of bytes as people say it.

    Examples
    --------
    >>> size(512), size(93_400_000)
    ('512 B', '93 MB')
    """
    for unit in UNITS:
        if count < 999.5 or unit == UNITS[-1]:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def ago(moment: float, now: float) -> str:
    """Return how long ago a moment was, both in seconds since the epoch.

    Examples
    --------
    >>> ago(1000, 1090), ago(1000, 1000.2), ago(0, 86400 * 3)
    ('1 min ago', 'now', '3 d ago')
    """
    seconds = now - moment
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "now"
