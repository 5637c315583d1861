from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stagecache import codecs
from stagecache.errors import DecodeError, EncodeError, StagecacheWarning
from stagecache.file import File
from stagecache.model import Digest

Choose = Callable[..., tuple[str, list[memoryview]]]


@pytest.fixture
def choose(exactly: Callable[[Any], bytes]) -> Choose:
    def chosen(value: object, *, wanted: str | None = None, private: bool = True) -> Any:
        name, sections = codecs.encode(
            value,
            wanted=wanted,
            private=private,
            proof=lambda seen: Digest(exactly(seen)),
            expected=Digest(exactly(value)),
        )
        return name, [memoryview(bytes(section)) for section in sections]  # type: ignore[call-overload]

    return chosen


FRAME = pd.DataFrame({"a": [1.5, 2.5]})
OBJECTS = pd.DataFrame({"a": [1, "x", None]})


@pytest.mark.parametrize(
    ("value", "private", "shared"),
    [
        ({"a": (1, 2)}, "plain", "plain"),
        (list(range(20_000)), "pickle", "plain"),
        (FRAME, "pickle", "arrow"),
        (np.arange(3), "pickle", "array"),
        (np.float64(1), "pickle", "array"),
        (OBJECTS, "pickle", None),
        (lambda: 1, "cloudpickle", None),
    ],
)
def test_each_place_has_its_codec(
    choose: Choose, value: object, private: str, shared: str | None
) -> None:
    if not callable(value):
        assert choose(value)[0] == private
    if shared is None:
        with pytest.raises(EncodeError, match="shared place"):
            choose(value, private=False)
    else:
        assert choose(value, private=False)[0] == shared


def test_a_function_goes_to_cloudpickle() -> None:
    name, _ = codecs.encode(
        lambda: 3,
        wanted=None,
        private=True,
        proof=lambda seen: seen(),
        expected=3,  # type: ignore
    )
    assert name == "cloudpickle"


def test_the_wanted_codec_comes_first_and_the_others_after_it(choose: Choose) -> None:
    assert choose(FRAME, wanted="arrow")[0] == "arrow"
    assert choose(FRAME, wanted="parquet")[0] == "parquet"
    assert choose(OBJECTS, wanted="arrow")[0] == "pickle"
    assert choose(7, wanted="arrow")[0] == "plain"
    assert choose([1], wanted="pickle")[0] == "pickle"
    assert choose(FRAME, wanted="parquet", private=False)[0] == "parquet"


def test_an_unknown_codec_is_answered_with_the_nearest(choose: Choose) -> None:
    with pytest.warns(StagecacheWarning, match="Did you mean 'parquet'"):
        assert choose(1, wanted="parket")[0] == "plain"
    assert choose(2, wanted="parket")[0] == "plain"  # once told is enough


def test_a_codec_that_can_run_code_is_no_choice_for_a_shared_place(choose: Choose) -> None:
    with pytest.raises(EncodeError, match="run code"):
        choose(1, wanted="pickle", private=False)


def test_a_failure_names_every_codec_that_was_tried_and_why(choose: Choose) -> None:
    with pytest.raises(EncodeError, match=r"(?s)builtins.generator.*pickle: .*cloudpickle: "):
        codecs.encode(
            (x for x in [1]),
            wanted=None,
            private=True,
            proof=lambda _: Digest(b""),
            expected=Digest(b""),
        )


class Forgetful:
    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return Forgetful, (0,)


def test_a_value_that_does_not_come_back_the_same_is_not_kept() -> None:
    with pytest.raises(EncodeError, match="exactly the same"):
        codecs.encode(
            Forgetful(3), wanted=None, private=True,
            proof=lambda seen: Digest(bytes((seen.number,))), expected=Digest(b"\3"),  # type: ignore[attr-defined]
        )  # fmt: skip


class Sorting:
    """Writes to its array as it is unpickled."""

    def __init__(self) -> None:
        self.cells = np.arange(1000.0)

    def __setstate__(self, state: dict[str, Any]) -> None:
        state["cells"][0] = -1.0
        self.__dict__ = state


def test_the_proof_never_changes_the_value_it_is_for() -> None:
    value = Sorting()
    with pytest.raises(EncodeError):
        codecs.encode(
            value, wanted=None, private=True,
            proof=lambda seen: Digest(seen.cells.tobytes()),  # type: ignore[attr-defined]
            expected=Digest(value.cells.tobytes()),
        )  # fmt: skip
    assert value.cells[0] == 0.0


def test_no_code_runs_from_a_shared_place(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "boom"),)

    stream = pickle.dumps(Bomb())
    for name in ("pickle", "cloudpickle", "plain", "array", "arrow", "parquet", "file", "no such"):
        for sections in ([stream], [b"", stream], [stream, stream]):
            with pytest.raises(DecodeError):
                codecs.decode(name, [memoryview(part) for part in sections], private=False)
    assert not (tmp_path / "boom").exists()


def test_a_file_from_a_shared_place_is_found_but_never_written(
    choose: Choose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out.txt").write_text("made")
    name, sections = choose(File("out.txt"), private=False)
    assert name == "file"
    assert codecs.decode(name, sections, private=False) == File("out.txt")
    Path("out.txt").unlink()
    with pytest.raises(DecodeError):
        codecs.decode(name, sections, private=False)
    assert not Path("out.txt").exists()
    assert codecs.decode(name, sections, private=True) == File("out.txt")


def test_importing_codecs_brings_nothing_heavy() -> None:
    heavy = "{'pickle', 'numpy', 'pandas', 'pyarrow', 'msgspec', 'dataclasses', 'pathlib', 'mmap'}"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys, stagecache.codecs; print(*{heavy} & set(sys.modules))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
