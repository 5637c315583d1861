from __future__ import annotations

import os
import struct
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stagecache import codecs
from stagecache.codecs.compression import compress, decompress
from stagecache.errors import DecodeError
from stagecache.settings import COMPRESSIONS

PIECE = 4 << 20
NOISE = os.urandom(1 << 16)
SECTIONS = [b"head", b"", b"x" * 10_000, NOISE, b"ab" * (PIECE // 2 + 1), bytes(2 * PIECE)]


def stored(sections: Any) -> list[memoryview]:
    return [memoryview(bytes(section)) for section in sections]


def packed(kind: str = "zstd", sections: Any = SECTIONS) -> list[memoryview]:
    found = compress(kind, sections, private=True)
    assert found is not None
    return stored(found)


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_sections_come_back_as_they_were(kind: str) -> None:
    again = decompress(kind, packed(kind), private=True)
    assert list(map(bytes, again)) == SECTIONS


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_what_is_large_gets_small_and_what_is_noise_stays(kind: str) -> None:
    sections = packed(kind)
    assert sum(section.nbytes for section in sections) < len(NOISE) + 60_000
    assert NOISE in list(map(bytes, sections))


def test_nothing_is_compressed_where_it_does_not_pay() -> None:
    assert compress("zstd", [b"x" * 1000] * 9, private=True) is None
    assert compress("zstd", [NOISE], private=True) is None


def test_what_was_compressed_is_the_callers_own_memory() -> None:
    for section in decompress("lz4", packed("lz4", [b"x" * 10_000]), private=True):
        section[0] = 7


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_pieces_cut_short_or_of_other_contents_are_decode_errors(kind: str) -> None:
    whole = packed(kind)
    other = packed(kind, [*SECTIONS[:2], b"y" * 10_000, *SECTIONS[3:]])
    short = packed(kind, [*SECTIONS[:2], b"x" * 9_999, *SECTIONS[3:]])
    for forged in (
        [whole[0], *other[1:]],
        [whole[0], *short[1:]],
        [whole[0], *(part[:-1] for part in whole[1:])],
        whole[:-1],
        [*whole, whole[-1]],
        whole[1:],
        [],
        [memoryview(b"")],
    ):
        with pytest.raises(DecodeError):
            decompress(kind, forged, private=True)


def test_no_memory_is_taken_for_lengths_that_cannot_be() -> None:
    head, *rest = packed("zstd", [bytes(PIECE)])
    tracemalloc.start()
    try:
        for length, pieces in ((1 << 60, 1), (1 << 60, 1 << 38), (1 << 63, 0), (PIECE + 1, 1)):
            forged = bytearray(head)
            struct.pack_into("<QQ", forged, 8, length, pieces)
            with pytest.raises(DecodeError):
                decompress("zstd", [memoryview(forged), *rest], private=False)
        for count in (1 << 40, 1 << 63, 2, 0):
            forged = bytearray(head)
            struct.pack_into("<Q", forged, 0, count)
            with pytest.raises(DecodeError):
                decompress("zstd", [memoryview(forged), *rest], private=False)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_few_bytes_from_a_shared_place_are_never_gigabytes() -> None:
    one = packed("zstd", [bytes(PIECE)])
    pieces = 1000
    head = struct.pack("<QQQ", 1, pieces * PIECE, pieces) + bytes(one[0][24:]) * pieces
    bomb = [memoryview(head), *[one[1]] * pieces]
    with pytest.raises(DecodeError, match="too few bytes"):
        decompress("zstd", bomb, private=False)


def test_a_writer_keeps_what_no_reader_would_take_as_it_is(monkeypatch: Any) -> None:
    monkeypatch.setattr("stagecache.codecs.compression._TRUSTED", 1 << 20)
    assert compress("zstd", [bytes(PIECE)], private=False) is None
    assert compress("zstd", [bytes(PIECE)], private=True) is not None


@pytest.mark.parametrize("kind", COMPRESSIONS)
@pytest.mark.parametrize("private", [True, False])
def test_values_of_every_codec_come_back_compressed(kind: str, private: bool, exactly: Any) -> None:
    for value in (
        {"text": "word " * 10_000, "rest": [1, 2]},
        np.arange(100_000),
        pd.DataFrame({"a": range(50_000), "b": ["x", None] * 25_000}),
    ):
        name, sections = codecs.encode(
            value, wanted=None, private=private, compression=kind, proof=exactly,
            expected=exactly(value),
        )  # fmt: skip
        assert name.endswith(f"+{kind}")
        again = codecs.decode(name, stored(sections), private=private)
        assert exactly(again) == exactly(value)


def test_an_unknown_compression_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="no compression is called 'zip'"):
        codecs.decode("plain+zip", packed(), private=True)


def test_a_pickle_is_no_safer_compressed() -> None:
    with pytest.raises(DecodeError, match="run code"):
        codecs.decode("pickle+zstd", packed(), private=False)


def test_a_codecs_name_is_no_compression() -> None:
    class Mine:
        name = "mine+zstd"

    with pytest.raises(ValueError, match="what follows"):
        codecs.register_codec(Mine())  # type: ignore[arg-type]
