"""What changed in an argument is said in few words, and nothing that is not so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stagecache.differences import argument_change
from stagecache.fingerprint.anatomy import parts_of
from stagecache.fingerprint.labels import label
from stagecache.model import Argument


def argument(value, digest):
    return Argument("x", digest, label(value), parts=parts_of(value))


def change(old, new):
    return argument_change(argument(old, b"o"), argument(new, b"n")).splitlines()


def test_of_a_longer_list_the_length_and_what_is_new():
    assert change([1, 2], [1, 2, 3]) == ["length: was 2, is 3", "positions added: 2"]


def test_values_of_other_kinds_are_not_compared_in_parts():
    assert change([1], {"a": 1}) == ["was list of 1, is dict of 1"]
    assert change([1], (1,)) == ["was list of 1, is tuple of 1"]
    assert change(5, 6) == ["was int 5, is int 6"]
    assert change({}, {"a": 1}) == ["was dict of 0, is dict of 1"]


def test_what_is_kept_without_parts_still_reads():
    old = Argument("x", b"o", "dict of 2")
    assert argument_change(old, argument({"a": 1, "b": 2}, b"n")) == "changed (dict of 2)"


def test_a_key_that_was_cut_off_is_neither_added_nor_removed():
    many = {n: n for n in range(300)}
    assert change(many, {"first": 0, **many}) == ["was dict of 300, is dict of 301"]
    assert change(many, {**many, 299: 0}) == ["changed (dict of 300)"]
    assert change(many, {**many, 5: 0}) == ["keys changed: 5"]


keyed = st.dictionaries(st.text(max_size=3) | st.integers(), st.integers(0, 3), max_size=8)


@given(keyed, keyed)
def test_of_dicts_exactly_the_keys_that_differ_are_named(old, new):
    lines = change(old, new)
    common = old.keys() & new.keys()
    expected = {
        "keys changed": {key for key in common if old[key] != new[key]},
        "keys added": new.keys() - old.keys(),
        "keys removed": old.keys() - new.keys(),
    }
    if not old or not new:
        return
    for what, keys in expected.items():
        (line,) = [line for line in lines if line.startswith(what)] or [""]
        assert bool(line) == bool(keys)
        named = line.partition(": ")[2].partition(" ... and ")[0]
        assert sum(named.count(repr(key)) > 0 for key in keys) >= min(len(keys), 5)
