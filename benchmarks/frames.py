"""Frames through the whole engine beside joblib: storing, loading, loading and touching, memory.

Run with ``python benchmarks/frames.py [rows]`` for times and with ``--memory`` for peaks of memory.
Contenders take turns within every round, after every byte was touched once and with the files in
the page cache; a time is the median over the rounds. What stagecache is timed for is a call of a
stage: key, lookup, lease, fingerprint, round-trip proof, digest and commit are all in it. Arrow and
Parquet are files of pandas' own, for comparison. Ratios of the million rows, of the thousand and of
the memory stand beside their goals.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd

from benchmarks._goals import goal
from stagecache import Cache, stage

if TYPE_CHECKING:
    from collections.abc import Callable

    Timed = dict[str, Callable[[], Any]]

ROUNDS = 11


@stage(ignore=("made",))
def kept(number: int, made: pd.DataFrame | None = None) -> Any:  # noqa: ARG001 - names the result
    return made


def mixed(rows: int) -> pd.DataFrame:
    """Return ten columns: numbers, times, text, categories, and nulls in several of them."""
    dice = np.random.default_rng(0)
    words = np.array([f"word {number}" for number in range(5000)], dtype=object)
    is_null = dice.random(rows) < 0.05
    frame = pd.DataFrame({f"f{n}": dice.random(rows) for n in range(3)})
    frame.loc[is_null, "f2"] = np.nan
    for n in range(2):
        frame[f"i{n}"] = dice.integers(0, 1 << 40, rows)
    frame["when"] = pd.date_range("2013", periods=rows, freq="s")
    frame["seen"] = frame["when"].where(~is_null)
    frame["word"] = pd.Series(words[dice.integers(0, len(words), rows)]).mask(is_null).astype("str")
    frame["name"] = pd.Series(words[dice.integers(0, len(words), rows)]).astype("str")
    frame["kind"] = pd.Categorical(words[dice.integers(0, 20, rows)])
    return frame


def touch(frame: pd.DataFrame) -> int:
    """Read every byte of every value once."""
    total = 0
    for name in frame.columns:
        array: Any = frame[name].array
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            total += int(array.codes.max())
        elif hasattr(array, "_pa_array"):
            for chunk in array.__arrow_array__().chunks:
                for buffer in chunk.buffers():
                    total += 0 if buffer is None else int(np.frombuffer(buffer, np.uint8).max())
        else:
            total += int(np.asarray(array).view(np.int64).max())
    return total


class Rounds:
    """Times of contenders that take turns."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def add(self, contenders: Timed) -> None:
        """Time each once."""
        for name, call in contenders.items():
            gc.collect()
            started = time.perf_counter()
            found = call()
            self.times.setdefault(name, []).append((time.perf_counter() - started) * 1e3)
            del found

    def median(self, name: str) -> float:
        """Return milliseconds; the first round, which warms memory and imports, is left out."""
        return statistics.median(self.times[name][1:])


def measure(frame: pd.DataFrame, folder: str, rounds: int) -> tuple[Rounds, dict[str, int]]:
    """Store and load `frame` in all ways; return the times and the bytes on disk."""
    path = {name: os.path.join(folder, name) for name in ("joblib", "arrow", "parquet")}
    found = Rounds()

    def first() -> Any:
        with Cache(os.path.join(folder, "cache")):
            return kept(0)

    def all_of(load: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: touch(load())

    loads: Timed = {
        "joblib": lambda: joblib.load(path["joblib"]),
        "stagecache": lambda: kept(0),
        "stagecache, first": first,
        "arrow": lambda: pd.read_feather(path["arrow"]),
        "parquet": lambda: pd.read_parquet(path["parquet"]),
    }
    stores: Timed = {
        "joblib": lambda: joblib.dump(frame, path["joblib"]),
        "stagecache": lambda: kept(0, frame),
        "arrow": lambda: frame.to_feather(path["arrow"], compression="uncompressed"),
        "parquet": lambda: frame.to_parquet(path["parquet"]),
    }
    with Cache(os.path.join(folder, "cache")) as cache:
        for _ in range(rounds + 1):
            kept.forget(0)
            for file in path.values():
                if os.path.exists(file):
                    os.unlink(file)
            found.add({f"store {name}": call for name, call in stores.items()})
            assert kept(0) is not frame
            found.add({f"load {name}": call for name, call in loads.items()})
            found.add({f"touch {name}": all_of(call) for name, call in loads.items()})
        assert kept(0).equals(frame)
        sizes = {name: os.path.getsize(file) for name, file in path.items()}
        return found, {**sizes, "stagecache": next(iter(cache.entries()))[0].size}


GOALS = {
    1_000_000: {
        ("load", "stagecache"): 15.0, ("touch", "stagecache"): 3.5,
        ("touch", "stagecache, first"): 2.5, ("store", "stagecache"): 0.8,
    },
    1000: {("load", "stagecache"): 1.0},
}  # fmt: skip
"""By rows: how many times as fast as joblib; to take 1.25 times as long is 0.8."""


def judge(rows: int, found: Rounds) -> None:
    """Print the ratios that have a goal."""
    for (what, name), least in GOALS.get(rows, {}).items():
        ratio = found.median(f"{what} joblib") / found.median(f"{what} {name}")
        print(f"{what:6}{name:18}{ratio:8.2f}x joblib {goal(ratio, least=least)}")


def show(title: str, found: Rounds, sizes: dict[str, int]) -> None:
    heads = "".join(f"{head:>16}" for head in ("store ms", "load ms", "load+touch ms", "MB"))
    print(f"\n{title}: median ms, and how many times as fast as joblib\n{'':18}{heads}")
    for name in ("joblib", "stagecache", "stagecache, first", "arrow", "parquet"):
        cells = []
        for what in ("store", "load", "touch"):
            if f"{what} {name}" not in found.times:
                cells.append(f"{'':16}")
                continue
            here = found.median(f"{what} {name}")
            cells.append(f"{here:9.2f}{found.median(f'{what} joblib') / here:6.1f}x")
        size = f"{sizes[name] / 1e6:16.2f}" if name in sizes else ""
        print(f"{name:18}{''.join(cells)}{size}")


# --- memory

MOST = {"storing it": 1.3, "loading it, reading one column": 0.3}
PEAKS = {
    "making it": "",
    "storing it": "kept(0, frame)",
    "loading it, reading one column": "kept(0)['f1'].sum()",
    "joblib.dump": "joblib.dump(frame, folder + '/joblib')",
    "joblib.load, reading one column": "joblib.load(folder + '/joblib')['f1'].sum()",
}
CHILD = """
import ctypes, gc, sys
import joblib, pyarrow
from benchmarks.frames import kept, mixed
from stagecache import Cache
folder, rows = sys.argv[1], int(sys.argv[2])
with Cache(folder + "/cache"):
    kept(1, mixed(1000)), kept(1)
    if rows:
        frame = mixed(rows)
    gc.collect()
    pyarrow.default_memory_pool().release_unused()  # what making it left behind
    ctypes.CDLL(None).malloc_trim(0)
    print("go", flush=True); sys.stdin.readline()
    {what}
    print("done", flush=True); sys.stdin.readline()
"""


def peak(what: str, folder: str, rows: int) -> tuple[int, int]:
    """Return the anonymous memory of a child before, and the most while, it does something."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(what=what), folder, str(rows)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "go\n"
    before = most = anonymous(child.pid)
    child.stdin.write("\n")
    child.stdin.flush()
    os.set_blocking(child.stdout.fileno(), False)
    while child.stdout.readline() != "done\n":
        assert child.poll() is None
        most = max(most, anonymous(child.pid))
        time.sleep(0.001)
    child.communicate("\n")
    return before, most


def anonymous(pid: int) -> int:
    """Return the bytes of a process that are neither of files nor shared."""
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))


def show_memory(rows: int, folder: str) -> None:
    size = int(mixed(rows // 10).memory_usage(deep=True).sum()) * 10
    print(f"\npeaks of memory of its own; the frame takes {size / 1e6:.0f} MB")
    for name, what in PEAKS.items():
        reads = "loading" in name or "load," in name
        before, most = peak(what, folder, 0 if reads else rows)
        base = before if reads else 0
        part = (most - base) / size
        verdict = goal(part, most=MOST[name], unit="") if name in MOST else ""
        print(f"{name:34}{(most - base) / 1e6:9.0f} MB{part:7.2f} of the frame {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--memory", action="store_true", help="measure peaks of memory of 1 GB")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    if given.memory:
        with tempfile.TemporaryDirectory() as folder:
            show_memory(12 * given.rows, folder)
        return
    for rows, rounds in ((given.rows, given.rounds), (1000, 20 * given.rounds)):
        frame = mixed(rows)
        with tempfile.TemporaryDirectory() as folder:
            found, sizes = measure(frame, folder, rounds)
            show(f"mixed frame {rows}x{frame.shape[1]}", found, sizes)
            judge(rows, found)


if __name__ == "__main__":
    main()
