"""Equal copies are equal in every process and interpreter; no two of many near misses are equal."""

from __future__ import annotations

import collections
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

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


CORPUS = """
import collections, datetime, decimal, enum, fractions, functools, pathlib, re, sys, uuid, zoneinfo
from stagecache.fingerprint.values import fingerprint

class Colour(enum.Enum):
    RED = 1

class Mode(enum.Flag):
    READ = 1
    WRITE = 2

class Box:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)

Pair = collections.namedtuple("Pair", "a b")
moment = datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=datetime.timezone.utc)
itself = [1]
itself.append({"me": itself})
values = [
    {"apple", "pear", "plum", b"x", 3, (1, "a")}, frozenset("hello world"),
    {"b": 1, "a": [2.5, -0.0, float("nan")]}, Colour.RED, Mode.READ | Mode.WRITE,
    Box(colours={Colour.RED, "red"}, box=Box(inner={("x", i) for i in range(20)})),
    Pair(1, {"z", "y"}), moment, moment.date(), moment.time(), zoneinfo.ZoneInfo("Europe/Berlin"),
    decimal.Decimal("1.50"), fractions.Fraction(1, 3), uuid.UUID(int=7), 10**5000, "\\ud800", 1j,
    pathlib.PurePosixPath("a/b"), pathlib.Path("a"), re.compile("a+", re.I), range(9),
    slice(1, 2),
    collections.OrderedDict(a=1), collections.defaultdict(list, a=[1]), collections.Counter("aab"),
    collections.deque([1, 2], 3), functools.partial(int, base=2), len, dict.fromkeys, str.join,
    print, object(), ValueError("a"), int, list[int], int | str, re, bytearray(b"abc"), itself,
    memoryview(b"abc"), [Box(a=i) for i in range(40)], {Box: Colour}, Box().__init__,
    NotImplemented,
]
print(*[fingerprint(value).digest.hex() for value in values])
"""


def digests_in(python, seed):
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    finished = subprocess.run(
        [python, "-c", CORPUS],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": folder},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return finished.stdout.split()


@pytest.fixture(scope="module")
def expected():
    return digests_in(sys.executable, "7")


@pytest.mark.parametrize("seed", [str(seed) for seed in range(21)])
def test_the_hash_seed_does_not_count(seed, expected):
    assert len(set(expected)) == len(expected) > 40
    assert digests_in(sys.executable, seed) == expected


def has_xxhash(python):
    asked = subprocess.run([python, "-c", "import xxhash"], capture_output=True, timeout=60)
    return asked.returncode == 0


FOUND = [path for path in map(shutil.which, ("python3.12", "python3.13")) if path]
PYTHONS = [path for path in FOUND if has_xxhash(path)]

if PYTHONS:

    @pytest.mark.parametrize("python", PYTHONS)
    def test_the_version_of_python_does_not_count(python, expected):
        assert digests_in(python, "3") == expected
