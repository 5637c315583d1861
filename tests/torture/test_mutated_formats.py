"""The formats that shared places may hold, changed at will, never harm whoever reads them.

Each change is decoded in a process of its own kind, without the digest that would find it first:
this is what somebody who may write there, digests included, can do to a reader.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from typing import Any

MOST = 1 << 30
"""Bytes of address space that no change may cost."""
CHANGES = 10_000
ENDS = [0, 1, 2, 3, 7, 127, 255, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 33, 1 << 40]
ENDS += [1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 8]


def changed(dice: random.Random, sections: list[bytes]) -> list[bytes]:
    """Return the sections with something wrong: bits, numbers, lengths, places."""
    made = [bytearray(section) for section in sections]
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        full = [section for section in made if section]
        if not full:
            break
        section = dice.choice(full)
        # Half of the changes are near an end, where headers and footers are.
        size = len(section)
        near = min(size, dice.choice((64, 512, 4096)))
        at = dice.choice(
            (dice.randrange(size), dice.randrange(near), size - 1 - dice.randrange(near))
        )
        kind = dice.randrange(10)
        if kind < 3:
            section[at] ^= 1 << dice.randrange(8)
        elif kind < 6:
            width = dice.choice((1, 2, 4, 8))
            at -= at % width if dice.randrange(4) else 0
            near_size = size + dice.randrange(-9, 9)
            number = dice.choice((*ENDS, near_size, dice.randrange(1 << 64)))
            section[at : at + width] = (number % (1 << 8 * width)).to_bytes(width, "little")
        elif kind == 6:
            del section[at:]
        elif kind == 7:
            del section[at : at + dice.choice((1, 4, 8, 64))]
        elif kind == 8:
            section[at:at] = dice.randbytes(dice.choice((1, 4, 8, 64)))
        else:
            other = dice.randrange(len(made))
            here = made.index(section)
            made[here], made[other] = made[other], made[here]
            if not dice.randrange(3):
                del made[dice.randrange(len(made))]
    return [bytes(section) for section in made]


def test_changed_plain_values_decode_to_values_or_not_at_all(rounds):
    attack(rounds, "plain")


def test_changed_arrays_decode_to_arrays_or_not_at_all(rounds):
    attack(rounds, "array")


def test_changed_arrow_streams_decode_to_frames_or_not_at_all(rounds):
    attack(rounds, "arrow")


def test_changed_parquet_files_decode_to_frames_or_not_at_all(rounds):
    attack(rounds, "parquet")


def test_changed_compressed_values_decode_to_values_or_not_at_all(rounds):
    attack(rounds, "zstd", "lz4", "gzip")


def attack(rounds: Any, *formats: str) -> None:
    victim = None
    refused = 0
    try:
        for _ in rounds(CHANGES, "changes"):
            if victim is None:
                victim = Victim(formats)
            seed = random.getrandbits(64)
            answer = victim.tries(seed)
            refused += answer == "refused"
            if answer not in ("refused", "decoded"):
                rounds.failed(f"seed {seed} of {formats}: {answer}")
            if not victim.is_alive():
                victim.stop()
                victim = None
        rounds.note(f"{refused} refused")
    finally:
        if victim is not None:
            victim.stop()


class Victim:
    """A process that decodes what it is told to."""

    def __init__(self, formats: tuple[str, ...]) -> None:
        self._child = subprocess.Popen(
            [sys.executable, __file__, *formats],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._child.stdout is not None
        assert self._child.stdout.readline() == "ready\n"

    def tries(self, seed: int) -> str:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{seed}\n")
        self._child.stdin.flush()
        return self._child.stdout.readline().strip() or f"died: {self._child.wait(10)}"

    def is_alive(self) -> bool:
        return self._child.poll() is None

    def stop(self) -> None:
        self._child.kill()
        self._child.communicate()


# --- what runs in the other process


def serve(formats: list[str]) -> None:
    """Decode changes, one a line; say of each what came of it."""
    import os
    import warnings

    from stagecache import codecs
    from stagecache.errors import DecodeError
    from stagecache.fingerprint.values import fingerprint

    warnings.simplefilter("ignore")
    cases = [case for name in formats for case in encoded(name)]
    for name, sections, _ in cases:
        look(codecs.decode(name, views(sections), private=False), fingerprint)
    print("ready", flush=True)
    for line in sys.stdin:
        dice = random.Random(int(line))
        name, sections, kinds = dice.choice(cases)
        damaged = changed(dice, sections)
        before = address_space()
        try:
            value = codecs.decode(name, views(damaged), private=False)
        except DecodeError:
            answer = "refused"
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}".replace("\n", " ")
        else:
            answer = "decoded"
            if kinds is not None and not isinstance(value, kinds):
                answer = f"a wrong type, {type(value).__name__}"
            look(value, fingerprint)
            del value
        grown = address_space() - before
        print(f"{grown:,} bytes taken" if grown > MOST else answer, flush=True)
    os._exit(0)  # what Arrow's threads do while the interpreter is taken down is not promised


def look(value: Any, fingerprint: Any) -> None:
    """Read all of a value; a wrong date may have no name, but nothing crashes."""
    for read in (fingerprint, repr):
        with contextlib.suppress(BaseException):
            read(value)


def views(sections: list[bytes]) -> list[memoryview]:
    # As a store maps them: private and writable.
    return [memoryview(bytearray(section)) for section in sections]


def address_space() -> int:
    """Return the most bytes of address space that this process ever had."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmPeak"))


def encoded(name: str) -> list[tuple[str, list[bytes], Any]]:
    """Return names, sections and expected types of values in a format."""
    from stagecache.codecs import codec
    from stagecache.codecs.compression import compress
    from stagecache.errors import EncodeError

    if name in ("zstd", "lz4", "gzip"):
        found = []
        for inner in ("plain", "array", "arrow"):
            for _, sections, kinds in encoded(inner):
                packed = compress(name, sections, private=False)
                if packed is not None:
                    found.append((f"{inner}+{name}", [bytes(part) for part in packed], kinds))
        return found
    made = {"plain": plains, "array": arrays, "arrow": frames, "parquet": frames}[name]()
    found = []
    for value in made:
        try:
            sections = [bytes(part) for part in codec(name).encode(value)]
        except EncodeError:  # Parquet has no unions
            continue
        kinds = None if name == "plain" else families(value)
        found.append((name, sections, kinds))
    return found


def families(value: Any) -> tuple[type, ...]:
    """Return the types that a change of `value` may still be: a header says which of them."""
    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    if isinstance(value, np.ndarray | np.generic):
        return np.ndarray, np.generic
    return (pd.DataFrame, pd.Series, pd.Index, pl.DataFrame, pl.Series, pa.Table, pa.RecordBatch,
            pa.ChunkedArray, pa.Array)  # fmt: skip


def plains() -> list[Any]:
    text = "wörter " * 1000
    return [
        {"a": (1, True, None, -1.5), 2.5: {"b"}, b"x": [1 << 90, 2j, frozenset({1})], "t": text},
        [{"id": n, "name": str(n), "x": n / 7} for n in range(300)],
        [text.encode(), bytes(5000)],
        list(range(5000)),
    ]


def arrays() -> list[Any]:
    import numpy as np

    record = np.dtype([("a", "<i4"), ("b", "<f8", (2,)), ("c", "U3"), ("d", "M8[s]")])
    return [
        np.arange(2000.0).reshape(20, 100).T,
        np.array(["wört", "b"] * 500),
        np.zeros(300, record),
        np.arange(1000).view("M8[us]"),
        np.array([b"x", b"yz"] * 3000),
        np.float64(1.5),
        np.array([True, False] * 3000),
        np.array([], "f4"),
    ]


def frames() -> list[Any]:
    import datetime as dt
    import decimal

    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    rows = 600
    words = [f"word {n % 50}" if n % 7 else None for n in range(rows)]
    times = pd.date_range("2013", periods=rows, freq="h", tz="Europe/Berlin")
    mixed = pd.DataFrame({
        "i": range(rows), "f": np.linspace(0, 1, rows), "s": words, "c": pd.Categorical(words),
        "t": times, "b": [True, False] * (rows // 2),
        "n": pd.array([1, None] * (rows // 2), "Int64"),
        "p": pd.period_range("2013", periods=rows, freq="D"),
        "v": pd.interval_range(0, rows),
        "l": pd.array([[1, None]] * rows, pd.ArrowDtype(pa.list_(pa.int8()))),
    }, index=pd.Index(range(1, rows + 1), name="k"))  # fmt: skip
    table = pa.table({
        "list": pa.array([[1, 2], [], None] * 200), "large": pa.array(words, pa.large_string()),
        "view": pa.array(words, pa.string_view()),
        "struct": pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": "b"}] * 200),
        "map": pa.array([[("k", 1)], None, []] * 200, pa.map_(pa.string(), pa.int32())),
        "dictionary": pa.array(words).dictionary_encode(),
        "decimal": pa.array([decimal.Decimal("1.10"), None] * 300),
        "fixed": pa.array([b"1234", None] * 300, pa.binary(4)),
        "date": pa.array([dt.date(2020, 1, 1), None] * 300),
        "fixed list": pa.array([[1, 2], None] * 300, pa.list_(pa.int16(), 2)),
        "null": pa.nulls(rows),
    })  # fmt: skip
    runs = pa.RunEndEncodedArray.from_arrays([100, rows], ["a", "b"])
    union = pa.UnionArray.from_sparse(
        pa.array([0, 1] * 300, pa.int8()), [pa.array(range(rows)), pa.array(words)]
    )
    return [
        mixed,
        mixed.set_index(["s", "i"])[["f", "c"]],
        pd.Series(words, name="w", index=times),
        pd.Index(words),
        table,
        table.to_batches()[0],
        table["list"],
        runs,
        union,
        pl.DataFrame({"a": range(rows), "w": words, "l": [[1, 2]] * rows}),
        pl.Series("c", words, dtype=pl.Categorical),
    ]


if __name__ == "__main__":
    serve(sys.argv[1:])
