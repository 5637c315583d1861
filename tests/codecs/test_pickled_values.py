from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from stagecache.codecs.base import register_codec
from stagecache.codecs.cloudpickle import Cloudpickle
from stagecache.codecs.files import Files
from stagecache.codecs.pickle import Pickle
from stagecache.errors import DecodeError, EncodeError
from stagecache.file import File
from stagecache.testing.codecs import CodecContract


def stored(sections: Iterable[Any]) -> list[memoryview]:
    return [memoryview(bytes(section)) for section in sections]


def mixed() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "i": range(500),
            "f": np.linspace(0, 1, 500),
            "s": ["x", None] * 250,
            "o": pd.Series([{"k": 1}, 2] * 250, dtype=object),
            "c": pd.Categorical(["a", "b"] * 250),
            "t": pd.date_range("2020", periods=500, tz="Europe/Vienna"),
        }
    )


class TestPickle(CodecContract):
    codec: Any = Pickle()

    @pytest.fixture(autouse=True)
    def _exactly(self, exactly: Callable[[Any], bytes]) -> None:
        self.fingerprint = exactly  # type: ignore[method-assign]

    def fingerprint(self, value: Any) -> bytes:
        raise NotImplementedError

    def mutate(self, value: Any) -> None:
        super().mutate(value)
        if isinstance(value, np.ndarray):
            value[...] = 0
        if isinstance(value, pd.DataFrame):
            value.loc[0, "f"] = 9.0
            value["f"].array[1] = 9.0
            value["c"].array[1] = "a"
            value.loc[0, "o"]["k"] = 2

    def values(self) -> Iterable[object]:
        yield from (Decimal("1.10"), [1, {"a": (2,)}], np.arange(1000), np.arange(3), mixed())
        yield np.arange(2000)[::2]


class TestCloudpickle(TestPickle):
    codec = Cloudpickle()


@pytest.mark.parametrize(
    "make",
    [
        lambda: pd.DataFrame({"a": [1]}),
        lambda: pd.Series([1]),
        lambda: pl.DataFrame({"a": [1]}),
        lambda: pl.Series([1]),
    ],
)
def test_what_somebody_put_on_a_frame_comes_back(make: Callable[[], Any]) -> None:
    value = make()
    object.__setattr__(value, "source", "flights")
    again: Any = Pickle().decode(stored(Pickle().encode([value])))
    assert again[0].source == "flights"
    assert again[0].equals(value)


def test_large_buffers_are_not_copied_on_the_way_out_or_in() -> None:
    array = np.arange(1000.0)
    sizes, stream, memory = Pickle().encode({"a": array})
    assert np.shares_memory(np.frombuffer(memory), array)
    mapped = bytearray(memory)
    again: Any = Pickle().decode([memoryview(sizes), memoryview(stream), memoryview(mapped)])
    again["a"][0] = 7
    assert np.frombuffer(mapped)[0] == 7


def test_a_decoded_array_can_be_written_to_wherever_it_was_kept() -> None:
    for array in (np.arange(3.0), np.arange(1000.0)):
        again: Any = Pickle().decode(stored(Pickle().encode(array)))
        again[0] = 7


def test_what_pickle_cannot_hold_says_why() -> None:
    with pytest.raises(EncodeError, match="generator"):
        Pickle().encode(number for number in [1])
    with pytest.raises(EncodeError):
        Pickle().encode(lambda: 1)


def test_a_class_that_is_gone_is_a_decode_error() -> None:
    sizes, stream = stored(Pickle().encode(Decimal(1)))
    gone = bytes(stream).replace(b"decimal", b"gonemal")
    sections = [sizes, memoryview(gone)]
    with pytest.raises(DecodeError, match="gonemal"):
        Pickle().decode(sections)


def test_lambdas_and_local_classes_are_held_by_value() -> None:
    class Local:
        size = 3

    for value in (lambda: 3, Local):
        again: Any = Cloudpickle().decode(stored(Cloudpickle().encode(value)))
        assert again() == 3 or again.size == 3


SCRIPT = """
import pickle, sys
from enum import Enum
from stagecache import codecs
from stagecache.errors import EncodeError

class Row:
    class Cell:
        pass
    def total(self):
        return 3

class Colour(Enum):
    RED = 1

value = [Row(), Row.Cell(), Colour.RED]
if sys.argv[1] == "write":
    try:
        codecs.codec("pickle").encode(value)
    except EncodeError:
        sections = codecs.codec("cloudpickle").encode(value)
        pickle.dump([bytes(section) for section in sections], open("kept", "wb"))
else:
    sections = [memoryview(section) for section in pickle.load(open("kept", "rb"))]
    row, cell, colour = codecs.decode("cloudpickle", sections, private=True)
    print(isinstance(row, Row), isinstance(cell, Row.Cell), colour is Colour.RED)
"""

OTHER = """
import pickle
from stagecache import codecs
sections = [memoryview(section) for section in pickle.load(open("kept", "rb"))]
row, cell, colour = codecs.decode("cloudpickle", sections, private=True)
print(row.total(), type(cell).__name__, colour.value)
"""


def test_a_class_of_main_is_the_scripts_own_again_or_else_a_copy(tmp_path: Path) -> None:
    def python(text: str, *arguments: str) -> str:
        (tmp_path / "script.py").write_text(textwrap.dedent(text))
        done = subprocess.run(
            [sys.executable, "script.py", *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    python(SCRIPT, "write")
    assert python(SCRIPT, "read") == "True True True"
    assert python(OTHER) == "3 Cell 1"


def test_a_file_inside_a_value_is_kept_with_its_contents(tmp_path: Path) -> None:
    register_codec(Files(str(tmp_path)))
    try:
        for size in (10, 5000):
            path = tmp_path / f"{size}.bin"
            path.write_bytes(b"x" * size)
            for codec in (Pickle(), Cloudpickle()):
                sections = stored(codec.encode({"report": [File(path)]}))
                path.unlink()
                again: Any = codec.decode(sections)
                assert again == {"report": [File(path)]}
                assert path.read_bytes() == b"x" * size
    finally:
        register_codec(Files())


@pytest.mark.parametrize("codec", [Pickle(), Cloudpickle()])
def test_times_are_not_copied_and_come_back_exactly(
    exactly: Callable[[Any], bytes], codec: Pickle
) -> None:
    days = np.arange(2000).view("M8[D]")
    times = [days, days.reshape(20, 100).T, days.astype(">M8[us]"), days - days[0], days[::2]]
    for value in [*times, pd.date_range("2013", periods=2000, freq="s", tz="Europe/Berlin")]:
        sections = codec.encode(value)
        again = codec.decode(stored(sections))
        assert exactly(again) == exactly(value)
        assert (
            sum(memoryview(section).nbytes for section in sections[:2]) < 1000 or value is times[4]
        )
    _, _, memory = codec.encode(days)
    assert np.shares_memory(np.frombuffer(memory, "i8"), days)


@pytest.mark.parametrize("codec", [Pickle(), Cloudpickle()])
def test_text_of_pandas_is_not_copied_whatever_its_chunks(
    exactly: Callable[[Any], bytes], codec: Pickle
) -> None:
    one = pd.Series(["x" * (number % 7) for number in range(5000)], dtype="str")
    gaps = one.mask(one == "").astype(pd.ArrowDtype(pa.string()))
    for value in (one, gaps, pd.concat([one, one[:7]]), one[:0], one[1000:1010], gaps[3:]):
        sections = codec.encode(value)
        assert exactly(codec.decode(stored(sections))) == exactly(value)
    memory = one.array.__arrow_array__().chunk(0).buffers()[2]
    places = [np.frombuffer(section, "u1").ctypes.data for section in codec.encode(one)]
    assert memory.address in places


@pytest.mark.parametrize("codec", [Pickle(), Cloudpickle()])
def test_a_slice_is_kept_without_what_it_leaves_out(
    exactly: Callable[[Any], bytes], codec: Pickle
) -> None:
    words = [f"word {number}" for number in range(50_000)]
    table = pa.table({"n": range(50_000), "w": words, "l": [[1, None]] * 50_000})
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    for value in (
        table.slice(9, 9), table["w"].slice(9, 9), table.to_batches()[0].slice(9, 9),
        frame[9:18].reset_index(drop=True), {"inside": table.slice(9, 9)},
    ):  # fmt: skip
        sections = codec.encode(value)
        assert sum(memoryview(section).nbytes for section in sections) < 10_000
        assert exactly(codec.decode(stored(sections))) == exactly(value)
