"""What it costs to keep a value and to have it back, beside joblib: medians in milliseconds.

Run with ``python benchmarks/codecs.py [rows]``. Each contender writes to a file in the same folder
and reads it again, alternating with the others, after every byte was touched once: pages that the
machine has lent elsewhere would otherwise cost more than the work.
"""

from __future__ import annotations

import mmap
import os
import statistics
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd

from stagecache.codecs import codec

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7
ALIGNMENT = 64


def mixed(rows: int) -> pd.DataFrame:
    dice = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(1000)], dtype=object)
    frame = pd.DataFrame({f"f{n}": dice.random(rows) for n in range(4)})
    for n in range(3):
        frame[f"i{n}"] = dice.integers(0, 1 << 40, rows)
    frame["when"] = pd.date_range("2013", periods=rows, freq="s")
    frame["word"] = words[dice.integers(0, 1000, rows)]
    frame["kind"] = pd.Categorical(words[dice.integers(0, 20, rows)])
    return frame


def written(path: str, sections: Any) -> list[tuple[int, int]]:
    places = []
    with open(path, "wb") as stream:
        for section in sections:
            stream.write(b"\0" * (-stream.tell() % ALIGNMENT))
            places.append((stream.tell(), memoryview(section).nbytes))
            stream.write(section)
    return places


def mapped(path: str, places: list[tuple[int, int]]) -> list[memoryview]:
    with open(path, "rb") as stream:
        memory = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY))
    return [memory[start : start + size] for start, size in places]


def contenders(
    value: object, folder: str
) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    path = os.path.join(folder, "joblib")
    found: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "joblib": (lambda: joblib.dump(value, path), lambda: joblib.load(path))
    }
    for name in ("pickle", "array", "arrow", "parquet", "plain"):
        if codec(name).accepts(value):
            found[name] = _contender(name, value, os.path.join(folder, name))
    return found


def _contender(name: str, value: object, path: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    places: list[tuple[int, int]] = []

    def write() -> None:
        places[:] = written(path, codec(name).encode(value))

    return write, lambda: codec(name).decode(mapped(path, places))


def medians(value: object, folder: str) -> dict[str, tuple[float, float, float]]:
    runs = contenders(value, folder)
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in runs}
    for turn in range(ROUNDS + 1):
        for name, (write, read) in runs.items():
            started = time.perf_counter()
            write()
            between = time.perf_counter()
            read()
            ended = time.perf_counter()
            if turn:  # the first one warms memory and imports
                times[name][0].append((between - started) * 1e3)
                times[name][1].append((ended - between) * 1e3)
    sizes = {name: float(os.path.getsize(os.path.join(folder, name))) for name in runs}
    return {
        name: (statistics.median(writes), statistics.median(reads), sizes[name])
        for name, (writes, reads) in times.items()
    }


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    values: dict[str, object] = {
        f"mixed frame {rows}x10": mixed(rows),
        f"array of {10 * rows} doubles": np.random.default_rng(0).random(10 * rows),
        "mixed frame 1000x10": mixed(1000),
        "dict of 7 scalars": {"a": 1, "b": 2.5, "c": "x", "d": None, "e": True, "f": "y", "g": 3},
        "list of 100,000 dicts": [{"id": n, "name": str(n), "x": n / 7} for n in range(100_000)],
    }  # fmt: skip
    for title, value in values.items():
        with tempfile.TemporaryDirectory() as folder:
            found = medians(value, folder)
        base_write, base_read, base_size = found["joblib"]
        columns = "".join(f"{what:>10}  ratio" for what in ("write ms", "load ms", "MB"))
        print(f"\n{title}\n{'':10}{columns}")
        for name, (write, read, size) in found.items():
            print(
                f"{name:10}{write:10.3f}{write / base_write:7.2f}{read:10.3f}"
                f"{read / base_read:7.2f}{size / 1e6:10.3f}{size / base_size:7.2f}"
            )


if __name__ == "__main__":
    main()
