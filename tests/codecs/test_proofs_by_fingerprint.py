from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from stagecache import codecs
from stagecache.errors import EncodeError
from stagecache.file import File
from stagecache.fingerprint.values import fingerprint

DAYS = pd.date_range("2020-01-31", periods=3, freq="ME")
FRAME = pd.DataFrame({"a": [1.5, np.nan, 2], "s": ["x", None, "y"], "c": pd.Categorical([1, 2, 1])})


@pytest.mark.parametrize(
    ("value", "private", "shared"),
    [
        ([1, (2.5, "x"), {"k": None}], "plain", "plain"),
        ([datetime.date(2020, 1, 1), Decimal("1.10")], "pickle", None),
        (np.arange(12).reshape(3, 4).T, "pickle", "array"),
        (FRAME, "pickle", "arrow"),
        (FRAME.set_index(DAYS), "pickle", "arrow"),
        (FRAME.assign(o=[1, "x", None]), "pickle", None),
        (pa.table({"a": pa.chunked_array([[1], [2]])}), "pickle", "arrow"),
    ],
)
def test_the_engines_own_fingerprint_proves_what_is_kept(
    value: object, private: str, shared: str | None
) -> None:
    digest = fingerprint(value).digest

    def kept(is_private: bool) -> Any:
        return codecs.encode(
            value, wanted=None, private=is_private,
            proof=lambda seen: fingerprint(seen).digest, expected=digest,
        )  # fmt: skip

    name, sections = kept(True)
    assert name == private
    views = [memoryview(bytes(section)) for section in sections]
    assert fingerprint(codecs.decode(name, views, private=True)).digest == digest
    if shared is None:
        with pytest.raises(EncodeError):
            kept(False)
    else:
        assert kept(False)[0] == shared


def test_a_file_is_proven_by_its_contents_and_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out.txt").write_text("made")
    file = File("out.txt")
    name, sections = codecs.encode(
        file, wanted=None, private=True,
        proof=lambda seen: fingerprint(seen).digest, expected=fingerprint(file).digest,
    )  # fmt: skip
    assert name == "file"
    Path("out.txt").unlink()
    again = codecs.decode(name, [memoryview(bytes(part)) for part in sections], private=True)  # type: ignore[call-overload]
    assert fingerprint(again).digest == fingerprint(File("out.txt")).digest
