"""How long fingerprints of values take, beside joblib.hash, dask's tokenize and the bare hash.

Run ``python benchmarks/value_fingerprint.py [rows]``. Contenders take turns over memory that was
touched before; medians. Compare within one run only.
"""

from __future__ import annotations

import statistics
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
from dask.base import tokenize
from xxhash import xxh3_128_digest

from stagecache.fingerprint.values import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROUNDS = 7
LARGE = 10_000_000


def medians(contenders: Mapping[str, Callable[[], object]], calls: int = 1) -> dict[str, float]:
    """Return seconds a call, each contender in turn in each round."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for at in range(ROUNDS + 1):
        for name, contender in contenders.items():
            start = time.perf_counter()
            for _ in range(calls):
                contender()
            if at:  # the first round warms up
                taken[name].append((time.perf_counter() - start) / calls)
    return {name: statistics.median(times) for name, times in taken.items()}


def beside(value: Any) -> dict[str, Callable[[], object]]:
    return {
        "stagecache": lambda: fingerprint(value),
        "joblib": lambda: joblib.hash(value),
        "dask": lambda: tokenize(value),
    }


def mixed_frame(rows: int) -> pd.DataFrame:
    """Return a frame of ten columns with text, categories, dates and nulls."""
    random = np.random.default_rng(1)
    words = np.array([f"flight {number}" for number in range(5000)], dtype=object)
    codes = random.integers(0, 20, rows)
    numbers = random.random(rows)
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "delay": np.where(numbers < 0.02, np.nan, numbers),
            "distance": random.random(rows),
            "seats": random.integers(0, 400, rows).astype("int32"),
            "late": numbers < 0.5,
            "name": pd.Series(words[random.integers(0, 5000, rows)], dtype="str"),
            "gate": pd.Series(words[codes], dtype="str").where(numbers > 0.05),
            "carrier": pd.Categorical.from_codes(codes, categories=pd.Index(words[:20])),
            "day": pd.Timestamp("2013-01-01") + pd.to_timedelta(codes, unit="D"),
            "stops": pd.array(np.where(numbers < 0.1, 0, codes), dtype="Int64"),
        }
    )


def show(title: str, found: dict[str, float], unit: float = 1e3, name: str = "ms") -> None:
    own = found["stagecache"]
    row = [f"{each} {seconds * unit:9.2f} {name}" for each, seconds in found.items()]
    ratios = [f"{seconds / own:6.1f}x" for seconds in found.values()]
    print(f"{title:28}", " | ".join(row), "|", " ".join(ratios))


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    array = np.random.default_rng(1).random((LARGE * rows // 1_000_000, 4))
    frame = pd.DataFrame(array)
    block = frame.to_numpy().T
    assert block.flags.c_contiguous
    bare = {"bare xxh3_128": lambda: xxh3_128_digest(block.data)}
    found = medians({**beside(frame), **bare})
    show("numeric frame", found)
    print(f"{'':28} {found['bare xxh3_128'] / found['stagecache']:.0%} of the hash's own speed")
    rowwise = pd.DataFrame(array, copy=False)
    show("the same, laid out by rows", medians({**beside(rowwise), **bare}))
    mixed = mixed_frame(rows)
    show("mixed frame", medians(beside(mixed)))
    objects = mixed.astype({"name": object, "gate": object})
    objects["gate"] = objects["gate"].where(objects["gate"].notna(), None)
    show("the same, text as objects", medians(beside(objects)))
    show("object strings", medians(beside(mixed[["name"]].astype(object))))
    show("frame of 1,000 x 10", medians(beside(mixed.head(1000)), 20), 1e6, "us")
    show("frame of 3 x 2", medians(beside(mixed[["id", "name"]].head(3)), 100), 1e6, "us")
    show("a small int", medians(beside(5), 2000), 1e6, "us")
    show("a short str", medians(beside("abc"), 2000), 1e6, "us")
    scalars = (5, "abc", 2.5, True, None, b"xy", 10**6, "2013-01", {"a": 1, "b": "x", "c": 2.5})
    each = {
        "stagecache": lambda: [fingerprint(value) for value in scalars],
        "joblib": lambda: [joblib.hash(value) for value in scalars],
        "dask": lambda: [tokenize(value) for value in scalars],
    }
    show("eight scalars and a dict", medians(each, 500), 1e6, "us")
    show("list of 100,000 int", medians(beside(list(range(100_000)))))
    for title, value in (("numeric", frame), ("mixed", mixed)):
        size = int(value.memory_usage(deep=True).sum())
        tracemalloc.start()
        fingerprint(value)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"extra memory, {title}: {peak / 1e6:.1f} MB of {size / 1e6:.0f} ({peak / size:.1%})")


if __name__ == "__main__":
    main()
