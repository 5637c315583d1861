"""Runs the year four times, each in a fresh process: cold, unchanged, and after two changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from prepare import prepare

HERE = Path(__file__).parent
WORK = HERE / "work"


def run(title: str) -> None:
    """Run the pipeline in a process of its own and print how long that took in all."""
    print(f"\n--- {title}", flush=True)
    command = [sys.executable, "-m", "stagecache", "run", "pipeline.py:year", f"folder={WORK.name}"]
    environment = {**os.environ, "STAGECACHE_DIRECTORY": str(WORK / "cache")}
    start = time.perf_counter()
    subprocess.run(command, cwd=HERE, env=environment, check=True)
    print(f"    {time.perf_counter() - start:.1f} s from start to exit", flush=True)


def delay_flights(path: Path, *, first: int, minutes: int) -> None:
    """Let the first few flights of a month leave later."""
    header, *rows = path.read_text().splitlines()
    column = header.split(",").index("dep_delay")
    for i in range(first):
        cells = rows[i].split(",")
        cells[column] = str(int(cells[column] or 0) + minutes)
        rows[i] = ",".join(cells)
    path.write_text("\n".join([header, *rows, ""]))


def reverse_rows(path: Path) -> None:
    """Put the rows of a month in the opposite order: other bytes, the same flights."""
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *reversed(rows), ""]))


def main() -> None:
    """Show what a rerun costs."""
    shutil.rmtree(WORK, ignore_errors=True)
    prepare(WORK)
    run("cold: a year of flights, nothing kept yet")
    run("again: nothing changed")
    delay_flights(WORK / "flights" / "2013-06.csv", first=400, minutes=90)
    run("one month changed: its own steps, the report and the picture run")
    reverse_rows(WORK / "flights" / "2013-03.csv")
    run("one month's rows reordered: `clean` gives the same table, so nothing after it runs")


if __name__ == "__main__":
    main()
