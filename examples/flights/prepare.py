"""Lays nycflights13 out as a nightly job would find it: one file a month and four lookup tables."""

from __future__ import annotations

import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

LOOKUPS = ("weather", "planes", "airports", "airlines")


def prepare(folder: Path) -> None:
    """Write the files below `folder`; those that are there already and right stay untouched."""
    source = Path(str(distribution("nycflights13").locate_file("nycflights13/data")))
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        flights = archive.read("flights.csv")
    for month, rows in split_by_month(flights).items():
        write(folder / "flights" / f"{month}.csv", rows)
    for name in LOOKUPS:
        write(folder / f"{name}.csv", (source / f"{name}.csv").read_bytes())


def split_by_month(table: bytes) -> dict[str, bytes]:
    """Return month -> the rows of that month, each under the table's own header."""
    header, *rows = table.splitlines(keepends=True)
    months: dict[str, list[bytes]] = {}
    for row in rows:
        year, month, _ = row.split(b",", 2)
        months.setdefault(f"{int(year)}-{int(month):02}", [header]).append(row)
    return {month: b"".join(lines) for month, lines in months.items()}


def write(path: Path, contents: bytes) -> None:
    """Make the file hold `contents`."""
    if path.exists() and path.read_bytes() == contents:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)


if __name__ == "__main__":
    prepare(Path(sys.argv[1] if len(sys.argv) > 1 else "work"))
