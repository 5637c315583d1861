"""Equal plain values have equal fingerprints, and whatever Python tells apart has another."""

from __future__ import annotations

import collections
import contextlib
import copy
import datetime
import decimal
import functools
import itertools
import pathlib
import pickle
import re
import socket
import sqlite3
import struct
import sys
import threading
import types
from typing import NamedTuple

import pytest

from stagecache import File, FingerprintError, stage
from stagecache.fingerprint.values import (
    Known,
    fingerprint,
    item_digest,
    register_fingerprint,
)


def digest(value: object) -> bytes:
    return fingerprint(value).digest


class Point(NamedTuple):
    x: object
    y: object


class Plain:
    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


class Slotted:
    __slots__ = ("x", "y")

    def __init__(self, x: object, y: object) -> None:
        self.x, self.y = x, y


def helper(x):
    return x


def other(x):
    return -x


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (True, 1),
        (1, 1.0),
        (1, "1"),
        (0.0, -0.0),
        (1.0, 1 + 0j),
        ("a", b"a"),
        (b"a", bytearray(b"a")),
        ([1, 2], (1, 2)),
        ({1}, frozenset({1})),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ([], ()),
        (None, ...),
        ([[1], 2], [1, [2]]),
        (["ab", "c"], ["a", "bc"]),
        (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
        (Point(1, 2), (1, 2)),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.deque([1], 3), collections.deque([1], 4)),
        (range(3), [0, 1, 2]),
        (pathlib.PurePosixPath("a"), "a"),
        (re.compile("a"), re.compile("a", re.IGNORECASE)),
        (len, sum),
        (int, float),
        (list[int], list[str]),
    ],
)
def test_what_differs_in_type_or_content_differs(one, two):
    assert digest(one) != digest(two)


def test_every_nan_is_the_same():
    payload = struct.unpack("<d", b"\x01\0\0\0\0\0\xf8\xff")[0]
    assert digest(payload) == digest(float("nan"))
    assert digest(complex(0, payload)) == digest(complex(0, float("nan")))


def test_the_fold_and_the_zone_of_a_time_count():
    moment = datetime.datetime(2024, 10, 27, 2, 30)
    zones = [None, datetime.UTC, datetime.timezone(datetime.timedelta(hours=1))]
    moments = [moment.replace(tzinfo=zone, fold=fold) for zone in zones for fold in (0, 1)]
    assert len({digest(each) for each in moments}) == 6


def test_nans_of_decimals_count_by_what_is_written_of_them():
    texts = ["NaN", "-NaN", "NaN12", "sNaN", "sNaN12"]
    assert len({digest(decimal.Decimal(text)) for text in texts}) == len(texts)


def test_the_plain_attributes_of_a_function_count_but_not_its_own_counters():
    def step(**attributes):
        cache = {}

        def run(x):
            run.calls += 1
            return cache.setdefault(x, x)

        run.__dict__.update({"calls": 0, "cache": cache}, **attributes)
        return run

    assert digest(step(retries=1)) != digest(step(retries=2))
    assert digest(step(options={"a": 1})) != digest(step(options={"a": 2}))
    used = step(retries=1)
    used(1)
    assert digest(used) == digest(step(retries=1))


def test_large_integers_and_lone_surrogates_have_fingerprints():
    values = [10**6000, -(10**6000), 10**6000 + 1, "\ud800", "\udc00", "\ud800\udc00", "\U00010000"]
    assert len({digest(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict(a=1, b=[2]),
        collections.defaultdict(list, a=[1]),
        collections.deque([1, 2], 5),
        collections.Counter("hello"),
        Point(1, [2]),
        Plain(a=1, b={"c"}),
        Slotted(1, 2),
        functools.partial(int, "11", base=2),
        types.SimpleNamespace(a=1),
        decimal.Decimal("NaN"),
        type("Own", (set,), {"__module__": __name__})({"a", "b"}) and {"a", "b"},
        re.compile(rb"a", re.DOTALL),
        re.IGNORECASE | re.DOTALL,
        datetime.date(2020, 1, 1),
        ValueError("a", 1),
    ],
)
def test_equal_copies_are_equal(value):
    assert (
        digest(value) == digest(copy.deepcopy(value)) == digest(pickle.loads(pickle.dumps(value)))
    )


def test_subclasses_of_builtins_are_tagged():
    for base in (int, str, float, list, tuple, dict, set, frozenset, bytes):
        own = type("Own", (base,), {"__module__": __name__})
        found = fingerprint(own())
        assert found.digest != digest(base())
        assert found.refs == (own,)


def test_the_order_in_which_attributes_were_set_does_not_count():
    assert digest(Plain(a=1, b=2)) == digest(Plain(b=2, a=1))


def test_the_order_of_a_state_that_a_class_words_itself_counts():
    class Wrapped:
        def __init__(self, data):
            self.data = data

        def __getstate__(self):
            return self.data

    assert digest(Wrapped({"a": 1, "b": 2})) != digest(Wrapped({"b": 2, "a": 1}))


def test_sharing_does_not_count():
    part = [1, {"a": "b"}]
    assert digest([part, part]) == digest([part, copy.deepcopy(part)])
    wide = [list(range(100))]
    for _ in range(60):  # would be 2**60 lists if each was walked
        wide = [wide, wide]
    assert fingerprint(wide)


def test_cycles_are_named_by_where_they_lead():
    def ring(size):
        nodes = [Plain(at=at) for at in range(size)]
        for node, following in zip(nodes, nodes[1:] + nodes[:1], strict=True):
            node.next = following
        return nodes[0]

    assert digest(ring(3)) == digest(ring(3)) == digest(copy.deepcopy(ring(3)))
    assert digest([ring(3), 1]) == digest([Known(digest(ring(3))), 1])
    assert len({digest(ring(size)) for size in range(1, 20)}) == 19
    itself: list = []
    itself.append(itself)
    assert digest(itself) != digest([[]])


def test_a_graph_of_objects_that_all_know_each_other_is_walked_once():
    nodes = [Plain(at=at) for at in range(40)]
    for node in nodes:
        node.others = nodes
    copied = pickle.loads(pickle.dumps(nodes))
    assert digest(nodes) == digest(copied)
    copied[7].at = 70
    assert digest(nodes) != digest(copied)


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"a": x}, lambda x: Plain(a=x)])
def test_depth_has_no_limit_that_a_job_meets(wrap):
    def nested(bottom):
        for _ in range(20_000):
            bottom = wrap(bottom)
        return bottom

    assert digest(nested(1)) == digest(nested(1)) != digest(nested(2))


def test_endless_nesting_is_refused(monkeypatch):
    monkeypatch.setattr("stagecache.fingerprint.walk._DEEPEST", 2000)

    class Endless:
        def __reduce__(self):
            return Endless, (Endless(),)

    with pytest.raises(FingerprintError, match="nested deeper"):
        fingerprint(Endless())


@pytest.mark.parametrize(
    "place",
    [
        lambda x: [x, 3],
        lambda x: (1, x),
        lambda x: {"a": x},
        lambda x: [{"k": (1, [x])}] * 2,
        lambda x: Point(x, 1),
        lambda x: [*range(50), [[[[[x]]]]]],
    ],
)
@pytest.mark.parametrize(
    "value", [5, "a" * 2000, [1, [2]], {"x": {1, 2}}, Plain(a=1), helper, [Plain(), helper]]
)
def test_a_known_value_stands_for_the_value_itself(place, value):
    found = fingerprint(value)
    assert fingerprint(place(Known(found.digest, found.refs))) == fingerprint(place(value))


def test_references_are_the_users_classes_and_functions_in_order_of_meeting():
    found = fingerprint([helper, Plain(a=other, b=helper), len, pathlib.Path("a"), Plain()])
    assert found.refs == (helper, Plain, other)
    assert fingerprint([1, "a", {"b": len}]).refs == ()


def test_namesakes_cannot_change_places():
    one, two = (lambda x: x), (lambda x: -x)
    lists = [list(chosen) for chosen in itertools.product([one, two], repeat=3)]
    lists += [[[one, one], [two, one]], [[one, two], [one, one]], [[one, two], [two, one]]]
    found = [fingerprint(each) for each in lists]
    assert len({(each.digest, tuple(map(id, each.refs))) for each in found}) == len(lists)
    for each, parts in zip(found, lists, strict=True):
        known = [fingerprint(part) for part in parts]
        assert fingerprint([Known(part.digest, part.refs) for part in known]) == each


def test_functions_count_by_name_and_methods_with_what_they_are_bound_to():
    assert digest(helper) != digest(other)
    assert digest(Plain(a=1).__init__) != digest(Plain(a=2).__init__)
    assert fingerprint(Plain().__init__).refs == (Plain.__init__, Plain)
    assert digest([1].append) != digest([2].append)


def test_inner_functions_of_libraries_count_with_what_they_close_over():
    library = {"__name__": "json"}
    exec("def adder(n):\n return lambda x, *, y=1: x + n\nother = lambda x: x", library)
    adder = library["adder"]
    assert digest(adder(1)) == digest(adder(1)) != digest(adder(2))
    assert fingerprint(adder(1)).refs == ()
    changed = adder(1)
    changed.__kwdefaults__["y"] = 2
    assert len({digest(each) for each in (adder(1), changed, library["other"])}) == 3


def test_a_stage_is_a_reference():
    step = stage(helper)
    assert fingerprint({"step": step}).refs == (step,)


def test_a_user_module_is_refused_and_another_counts_by_name():
    assert digest(re) != digest(socket)
    with pytest.raises(FingerprintError, match="module of yours"):
        fingerprint([sys.modules[__name__]])


def test_items_give_the_digest_of_each_element():
    values = [5, "a", [1], {"b": 2}]
    for value in (values, tuple(values)):
        items = fingerprint(value, items=True).items
        assert [item_digest(items, at) for at in range(4)] == [digest(each) for each in values]
        assert item_digest(items, -1) == digest({"b": 2})
        assert item_digest(items, 4) is item_digest(items, -5) is item_digest(items, "a") is None
    items = fingerprint(dict(enumerate(values)), items=True).items
    assert item_digest(items, 2) == digest([1])
    assert item_digest(items, 9) is None
    assert item_digest(fingerprint([], items=True).items, 0) is None


def test_items_are_given_only_where_they_say_all():
    itself: list = [1]
    itself.append(itself)
    for value in ([helper], 5, "abc", {1, 2}, list(range(1001)), itself, Point(1, 2)):
        assert fingerprint(value, items=True).items is None
    assert fingerprint([1, [2]], items=True).digest == digest([1, [2]])


@pytest.fixture
def connection():
    with contextlib.closing(sqlite3.connect(":memory:")) as opened:
        yield opened


@pytest.fixture
def opened():
    with open(__file__) as stream, socket.socket() as plug:
        yield stream, plug


@pytest.mark.parametrize(
    ("build", "subject"),
    [
        (lambda c, _: {"db": Plain(conn=c)}, "config['db'].conn"),
        (lambda _, o: [1, (o[1],)], "config[1][0]"),
        (lambda _, o: Slotted(1, o[0]), "config.y"),
        (lambda *_: (x for x in ()), "config"),
        (lambda *_: [iter([1])], "config[0]"),
        (lambda *_: {"a": [threading.Lock()]}, "config['a'][0]"),
        (lambda *_: functools.partial(print, threading.Lock()), "config.args[0]"),
        (lambda *_: Point(1, map(int, "12")), "config[1]"),
        (lambda *_: Plain(a={Plain(): Plain(b=threading.Lock())}), "config.a[<Plain>].b"),
    ],
)
def test_what_cannot_be_taken_apart_is_named_with_the_ways_out(build, subject, connection, opened):
    with pytest.raises(FingerprintError) as caught:
        fingerprint(build(connection, opened), name="config")
    assert caught.value.subject == subject
    assert caught.value.remedy


def test_a_registered_function_stands_for_values_of_its_type_and_below():
    class Connection:
        def __init__(self, url):
            self.url, self.lock = url, threading.Lock()

    class Better(Connection):
        pass

    with pytest.raises(FingerprintError):
        fingerprint(Connection("a"))
    register_fingerprint(Connection, lambda connection: connection.url)
    assert digest(Connection("a")) == digest(Connection("a")) != digest(Connection("b"))
    assert digest(Better("a")) != digest(Connection("a"))
    assert fingerprint([Better("a")]).refs == (Better,)


def test_a_method_may_stand_for_an_object():
    class Model:
        def __init__(self, weights):
            self.weights, self.lock = weights, threading.Lock()

        def __stagecache_fingerprint__(self):
            return self.weights

    assert digest(Model([1])) == digest(Model([1])) != digest(Model([2]))


def test_a_fingerprint_function_that_raises_is_named():
    class Broken:
        def __stagecache_fingerprint__(self):
            raise RuntimeError("no luck")

    with pytest.raises(FingerprintError, match=r"Broken.__stagecache_fingerprint__.*no luck"):
        fingerprint([Broken()])


@pytest.mark.parametrize("type_", [int, dict, "int"])
def test_builtins_cannot_be_registered(type_):
    with pytest.raises(TypeError):
        register_fingerprint(type_, str)


def test_a_missing_file_in_a_value_is_missing_as_for_an_ordinary_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        fingerprint({"data": [File(tmp_path / "none.csv")]})


def test_nothing_heavy_is_imported_for_plain_values(project):
    project.python(
        "-c",
        "import sys\n"
        "from stagecache.fingerprint.values import fingerprint\n"
        "fingerprint({'a': [1, 2.5, None], 'b': {'c'}, 'd': object})\n"
        "assert not {'numpy', 'pandas', 'pyarrow', 'inspect', 'json'} & set(sys.modules)",
    )


def test_maps_without_an_order_of_their_own_count_by_what_is_in_them():
    rpds = pytest.importorskip("rpds")
    names = [f"name {number}" for number in range(50)]
    one, other = (rpds.HashTrieMap(dict.fromkeys(some, 1)) for some in (names, names[::-1]))
    assert fingerprint(one).digest == fingerprint(other).digest
    assert fingerprint(one).digest != fingerprint(one.insert("name 0", 2)).digest
    assert (
        fingerprint(rpds.HashTrieSet(names)).digest
        == fingerprint(rpds.HashTrieSet(names[::-1])).digest
    )


def test_what_the_inner_function_of_a_library_notes_for_itself_is_no_data():
    pyparsing = pytest.importorskip("pyparsing")
    number = pyparsing.Word(pyparsing.nums).set_parse_action(int.__add__)
    number.set_parse_action(lambda found: int(found[0]))
    before = fingerprint(number).digest
    assert number.parse_string("1").as_list() == [1]
    assert fingerprint(number).digest == before
