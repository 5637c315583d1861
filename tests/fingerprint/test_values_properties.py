"""Equal copies are equal in every process and interpreter; no two of many near misses are equal."""

from __future__ import annotations

import collections
import contextlib
import copy
import datetime
import decimal
import fractions
import itertools
import os
import pickle
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from fingerprint import corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_128_hexdigest

from stagecache.fingerprint.scalars import plain_digest
from stagecache.fingerprint.values import Known, fingerprint
from stagecache.fingerprint.walk import Walk


class Box:
    def __init__(self, content):
        self.content = content


HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.complex_numbers(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(datetime.UTC)),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.uuids(),
    st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.just(2)),
)


def containers(inner):
    return st.one_of(
        st.lists(inner, max_size=40),
        st.tuples(inner, inner),
        st.dictionaries(HASHABLE, inner, max_size=6),
        st.sets(HASHABLE, max_size=6),
        st.frozensets(HASHABLE, max_size=3),
        st.builds(Box, inner),
        st.builds(collections.OrderedDict, st.dictionaries(st.text(), inner, max_size=3)),
        st.builds(collections.deque, st.lists(inner, max_size=3)),
    )


VALUES = st.recursive(HASHABLE | st.builds(bytearray, st.binary()), containers, max_leaves=20)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_equal_copies_have_equal_fingerprints(value):
    found = fingerprint(value)
    assert fingerprint(pickle.loads(pickle.dumps(value))) == found
    assert fingerprint(copy.deepcopy(value)) == found
    assert fingerprint(value) == found


@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, max_size=6))
def test_a_container_is_composed_of_its_elements(values):
    known = [Known(*fingerprint(value)[:2]) for value in values]
    assert fingerprint(known) == fingerprint(values)
    assert fingerprint({"k": (known,)}) == fingerprint({"k": (values,)})


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_the_short_path_and_the_walk_give_the_same(value):
    short = plain_digest([value])
    assert short is None or short == Walk("value").run([value])[0]


def identity(value):
    """Say what Python can tell of a value, NaNs being equal."""
    kind = type(value)
    if kind in (float, complex, decimal.Decimal):
        return kind, "nan" if value != value else repr(value)
    if kind in (list, tuple, collections.deque):
        return kind, tuple(map(identity, value))
    if kind in (dict, collections.OrderedDict):
        return kind, tuple((identity(key), identity(each)) for key, each in value.items())
    if kind in (set, frozenset):
        return kind, frozenset(map(identity, value))
    if kind is Box:
        return kind, identity(value.content)
    if kind is datetime.datetime:
        return kind, value.isoformat(), value.fold
    if kind is range:
        return kind, value.start, value.stop, value.step
    return kind, bytes(value) if kind is bytearray else value


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES)
def test_fingerprints_are_equal_exactly_if_the_values_are(one, two):
    if isinstance(one, complex | decimal.Decimal) or isinstance(two, complex | decimal.Decimal):
        return
    assert (fingerprint(one).digest == fingerprint(two).digest) == (identity(one) == identity(two))


SMALL = st.integers(0, 100)
MOMENTS = st.integers(0, 10**6).map(lambda seconds: pd.Timestamp(seconds, unit="s"))
COLUMNS = {
    "int64": SMALL,
    "uint8": SMALL,
    "Int64": SMALL | st.none(),
    "float64": st.floats() | st.none(),
    "Float32": st.floats(width=32, allow_nan=False) | st.none(),
    "boolean": st.booleans() | st.none(),
    "str": st.text() | st.none(),
    "string": st.text() | st.none(),
    "object": st.text() | st.none() | SMALL,
    "category": st.sampled_from(["a", "b", "c"]) | st.none(),
    "datetime64[ns]": MOMENTS | st.none(),
    "datetime64[s, UTC]": MOMENTS.map(lambda each: each.tz_localize("UTC")) | st.none(),
    "timedelta64[us]": SMALL.map(lambda hours: pd.Timedelta(hours=hours)) | st.none(),
    "period[M]": SMALL.map(lambda month: pd.Period("2000-01", "M") + month),
    "Sparse[int]": st.sampled_from([0, 0, 0, 1]),
    "int32[pyarrow]": SMALL | st.none(),
    pd.ArrowDtype(pa.list_(pa.int64())): st.lists(SMALL, max_size=3) | st.none(),
    pd.ArrowDtype(pa.struct([("a", pa.string())])): st.text().map(lambda a: {"a": a}) | st.none(),
}


@st.composite
def columns(draw):
    dtype = draw(st.sampled_from(list(COLUMNS)))
    values = draw(st.lists(COLUMNS[dtype], min_size=1, max_size=12))
    return pd.Series(pd.array(values, dtype=dtype) if dtype != "object" else values, dtype=dtype)


@settings(max_examples=150, deadline=None)
@given(columns(), st.integers(0, 12))
def test_a_column_is_the_same_however_it_lies_in_memory(column, count):
    found = fingerprint(column)
    before = column.iloc[:count]
    sliced = pd.concat([before, column], ignore_index=True).iloc[len(before) :]
    assert fingerprint(sliced.reset_index(drop=True)) == found
    assert fingerprint(pickle.loads(pickle.dumps(column, 5))) == found
    assert fingerprint(column.iloc[::-1].iloc[::-1].reset_index(drop=True)) == found
    assert fingerprint(pd.DataFrame({"a": column, "b": column})["b"].rename(None)) == found


@settings(max_examples=150, deadline=None)
@given(columns(), columns())
def test_columns_are_equal_exactly_if_their_values_and_sorts_are(one, two):
    same = one.dtype == two.dtype and len(one) == len(two) and one.equals(two)
    if one.dtype == two.dtype == object and same:  # pandas takes None and NaN for one
        same = [*map(repr, one)] == [*map(repr, two)]
    if one.dtype == two.dtype == "float64" and same:  # and both zeros
        same = [*map(repr, one)] == [*map(repr, two)]
    if one.dtype == two.dtype == "Float32" and same:
        same = [*map(repr, one)] == [*map(repr, two)]
    assert (fingerprint(one) == fingerprint(two)) == same


def near_misses():
    """Make values that a careless fingerprint takes for one another."""
    moment = datetime.datetime(2020, 1, 1)
    leaves = [
        *(0, 1, -1, 2, 10, 255, 256, 2**31, 2**63, 2**64, -(2**63), 10**40, False, True, None, ...),
        *(0.0, -0.0, 1.0, -1.0, 0.1, 1e300, float("inf"), float("-inf"), float("nan"), 0j, 1 + 0j),
        *(
            "",
            "0",
            "1",
            "a",
            "b",
            "ab",
            "A",
            "a ",
            " a",
            "True",
            "None",
            "nan",
            "\0",
            "a\0",
            "\ud800",
        ),
        *("é", "e\u0301", "1.0", "[]", "()", "int:1", "str:a", "a" * 1024, "a" * 1025),
        *(b"", b"0", b"1", b"a", b"ab", b"True", b"\0", b"str:a", b"a" * 1025, bytearray(b"a")),
        *(moment, moment.date(), moment.time(), moment.replace(tzinfo=datetime.UTC)),
        *(moment.replace(fold=1), moment.replace(microsecond=1), datetime.timedelta(1)),
        *(datetime.timedelta(0, 1), datetime.timedelta(0, 0, 1), datetime.UTC),
        *(decimal.Decimal(1), decimal.Decimal("1.0"), decimal.Decimal("-0"), decimal.Decimal(0)),
        *(decimal.Decimal("NaN"), decimal.Decimal("Infinity"), fractions.Fraction(1, 2)),
        *(fractions.Fraction(1), uuid.UUID(int=1), range(1), range(0, 1, 2), slice(1), slice(0, 1)),
        *(int, str, float, len, print, object, list[int], int | None),
    ]
    wrapped = [
        wrap(leaf)
        for leaf in leaves
        for wrap in (
            lambda x: [x],
            lambda x: (x,),
            lambda x: {"k": x},
            lambda x: [x, x],
            lambda x: [[x]],
            lambda x: Box(x),
            lambda x: collections.deque([x]),
            lambda x: collections.OrderedDict(k=x),
        )
    ]
    hashable = [leaf for leaf in leaves if not isinstance(leaf, bytearray | slice)]
    sets = [kind([leaf]) for leaf in hashable for kind in (set, frozenset)]
    keys = [{leaf: 0} for leaf in hashable]
    bare: list[object] = [[], (), {}, set(), frozenset(), Box([]), [[]], [()], [[], []], {"": {}}]
    pairs = [list(pair) for pair in itertools.permutations(leaves[:24], 2)]
    return leaves + wrapped + sets + keys + bare + pairs


def test_none_of_a_million_pairs_of_near_misses_is_equal():
    values = near_misses()
    assert len(values) * (len(values) - 1) // 2 > 1_000_000
    met = {}
    for value in values:
        digest = fingerprint(value).digest
        assert digest not in met, (value, met[digest])
        met[digest] = value


CORPUS = Path(__file__).with_name("corpus.py")
GOLDEN = "c046677f48e2a27bfaed558024d79499"
"""Digest of the digests of all plain values. If it changes, every result that anybody keeps is lost
to its next lookup: say so in the changelog, and raise the schema of keys."""


def digests_in(python, seed, sort="plain"):
    folder = str(CORPUS.parents[2])
    finished = subprocess.run(
        [python, str(CORPUS), sort],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": folder},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [line.partition(" ")[0] for line in finished.stdout.splitlines()]


@pytest.fixture(scope="module")
def expected():
    return digests_in(sys.executable, "7")


@pytest.mark.parametrize("seed", [str(seed) for seed in range(21)])
def test_the_hash_seed_does_not_count(seed, expected):
    assert digests_in(sys.executable, seed) == expected


def test_plain_values_keep_their_fingerprints_from_version_to_version(expected):
    assert xxh3_128_hexdigest(" ".join(expected).encode()) == GOLDEN


@pytest.mark.parametrize("seed", ["0", "20"])
def test_nor_does_it_count_for_values_of_libraries(seed, found_here):
    assert digests_in(sys.executable, seed, "libraries") == found_here[-count_of("libraries") :]


def count_of(sort):
    return len(getattr(corpus, sort)())


@pytest.fixture(scope="module")
def found_here():
    return [fingerprint(each).digest.hex() for each in [*corpus.plain(), *corpus.libraries()]]


def test_no_two_values_of_any_supported_sort_are_equal(found_here):
    assert len(found_here) * (len(found_here) - 1) // 2 > 70_000
    values = [*corpus.plain(), *corpus.libraries()]
    met = {}
    for digest, value in zip(found_here, values, strict=True):
        assert digest not in met, (value, met[digest])
        met[digest] = value


@pytest.mark.parametrize("sort", ["plain", "libraries"])
def test_copies_of_every_supported_sort_are_equal(sort):
    copied = 0
    for value in getattr(corpus, sort)():
        found = fingerprint(value).digest
        for again in (copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each, 5))):
            with contextlib.suppress(TypeError, pickle.PicklingError, NotImplementedError):
                twin = again(value)
                copied += 1
                assert fingerprint(twin).digest == found, value
    assert copied > 300


def has_xxhash(python):
    asked = subprocess.run([python, "-c", "import xxhash"], capture_output=True, timeout=60)
    return asked.returncode == 0


FOUND = [path for path in map(shutil.which, ("python3.12", "python3.13")) if path]
PYTHONS = [path for path in FOUND if has_xxhash(path)]

if PYTHONS:

    @pytest.mark.parametrize("python", PYTHONS)
    def test_the_version_of_python_does_not_count(python, expected):
        assert digests_in(python, "3") == expected
