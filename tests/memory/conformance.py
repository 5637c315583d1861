"""What any bounded mapping must do, in our own words: a mixin for the test of a mapping."""

from __future__ import annotations

import copy
import pickle
import sys
import threading

import cachetools
import pytest

SINCE_8 = pytest.mark.skipif(
    not hasattr(cachetools.Cache, "__copy__"), reason="cachetools before 8 does not"
)


class BoundedMappingContract:
    """Subclass it and give ``make(maxsize, getsizeof=None)`` and the class as ``kind``."""

    kind: type

    def make(self, maxsize, getsizeof=None, kind=None):
        return (kind or self.kind)(maxsize, getsizeof=getsizeof)

    def test_an_empty_one_has_a_bound_and_every_value_counts_as_one(self):
        mapping = self.make(1)
        assert (len(mapping), mapping.maxsize, mapping.currsize) == (0, 1, 0)
        assert [mapping.getsizeof(value) for value in (None, "", 0, "text")] == [1] * 4
        assert repr(mapping).startswith(type(mapping).__name__)

    @SINCE_8
    def test_a_negative_bound_is_refused(self):
        with pytest.raises(ValueError, match="maxsize"):
            self.make(-1)

    def test_what_is_put_last_is_there_and_the_bound_holds(self):
        mapping = self.make(2)
        for number in range(10):
            mapping[number] = -number
            assert mapping[number] == -number
            assert len(mapping) == mapping.currsize == min(number + 1, 2)

    def test_putting_again_replaces_and_drops_nothing(self):
        mapping = self.make(2)
        mapping.update({"a": 1, "b": 2})
        for letter in ("x", "y"):
            mapping.update(dict.fromkeys("ab", letter))
            assert dict(mapping) == dict.fromkeys("ab", letter)

    def test_a_deleted_key_is_gone_and_cannot_be_deleted_again(self):
        mapping = self.make(2)
        mapping.update(a=1, b=2)
        del mapping["a"]
        assert list(mapping) == ["b"]
        with pytest.raises(KeyError):
            del mapping["a"]
        with pytest.raises(KeyError):
            mapping["a"]

    def test_pop_takes_out_or_gives_the_default(self):
        mapping = self.make(2)
        mapping.update(a=1, b=2)
        assert mapping.pop("a") == 1
        assert mapping.pop("a", None) is None
        assert mapping.pop("a", default := object()) is default
        with pytest.raises(KeyError):
            mapping.pop("a")
        assert len(mapping) == 1

    def test_popitem_takes_one_by_one_and_an_empty_one_says_so_without_context(self):
        mapping = self.make(3)
        mapping.update(a=1, b=2, c=3)
        assert dict(mapping.popitem() for _ in range(3)) == {"a": 1, "b": 2, "c": 3}
        with pytest.raises(KeyError) as caught:
            mapping.popitem()
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    def test_get_and_setdefault(self):
        mapping = self.make(2)
        assert mapping.get("a") is None
        assert mapping.get("a", 5) == 5
        assert mapping.setdefault("a", 1) == mapping.setdefault("a", 2) == mapping["a"] == 1
        assert mapping.setdefault("b") is None
        assert "b" in mapping

    def test_missing_is_asked_by_indexing_alone(self):
        class Squares(self.kind):
            def __missing__(self, key):
                self[key] = key * key
                return key * key

        mapping = self.make(2, kind=Squares)
        assert [mapping[number] for number in (2, 3, 3)] == [4, 9, 9]
        assert len(mapping) == 2
        assert mapping.get(5) is None
        assert 5 not in mapping
        assert mapping.pop(5, None) is None
        with pytest.raises(KeyError):
            mapping.pop(5)
        assert mapping.setdefault(6, 0) == 0

    def test_missing_may_return_what_does_not_fit(self):
        class Itself(self.kind):
            def __missing__(self, key):
                if key <= self.maxsize:
                    self[key] = key
                return key

        mapping = self.make(2, getsizeof=lambda value: value, kind=Itself)
        assert [mapping[number] for number in (1, 2, 3)] == [1, 2, 3]
        assert dict(mapping) == {2: 2}

    def sized(self, mapping):
        assert [mapping.getsizeof(size) for size in (1, 3)] == [1, 3]
        mapping.update(a=1, b=2)
        assert (len(mapping), mapping.currsize) == (2, 3)
        mapping["a"] = 2
        assert mapping["a"] == 2
        assert mapping.currsize == 2
        mapping["c"] = 3
        assert dict(mapping) == {"c": 3}
        for key in ("c", "d"):
            with pytest.raises(ValueError, match="too large"):
                mapping[key] = 4
        assert dict(mapping) == {"c": 3}

    def test_sizes_are_what_getsizeof_says(self):
        self.sized(self.make(3, getsizeof=lambda value: value))

    def test_sizes_are_what_an_overridden_getsizeof_says(self):
        class Sized(self.kind):
            def getsizeof(self, value):
                return value

        self.sized(self.make(3, kind=Sized))

    def test_a_cleared_one_starts_again(self):
        mapping = self.make(5, getsizeof=lambda value: value)
        mapping.clear()
        mapping.update(a=2, b=3)
        mapping.clear()
        assert (len(mapping), mapping.currsize, list(mapping)) == (0, 0, [])
        mapping.update(c=2, d=3)
        mapping["e"] = 5
        assert dict(mapping) == {"e": 5}

    def test_a_pickled_one_is_equal_and_works(self):
        mapping = self.make(2)
        mapping.update(a=1, b=2)
        again = pickle.loads(pickle.dumps(mapping))
        assert again == mapping
        again["c"] = 3
        assert len(again) == 2
        assert again["c"] == 3
        assert pickle.loads(pickle.dumps(again)) == again

    @pytest.mark.parametrize("count", [0, 1, 2 * sys.getrecursionlimit()])
    def test_one_of_any_size_can_be_pickled(self, count):
        mapping = self.make(count)
        mapping.update((number, number) for number in range(count))
        assert pickle.loads(pickle.dumps(mapping)) == mapping

    @SINCE_8
    def test_a_negative_size_is_refused(self):
        mapping = self.make(3, getsizeof=lambda value: value)
        with pytest.raises(ValueError, match="negative"):
            mapping["a"] = -1

    @pytest.mark.parametrize("maxsize", [0, float("inf")])
    def test_a_bound_of_nothing_or_of_everything(self, maxsize):
        mapping = self.make(maxsize)
        if maxsize == 0:
            with pytest.raises(ValueError, match="too large"):
                mapping["a"] = 1
        else:
            mapping.update(dict.fromkeys(range(1000)))
        assert len(mapping) == (1000 if maxsize else 0)

    @SINCE_8
    def test_a_copy_shares_attributes_and_values_and_nothing_of_its_own(self):
        class More(self.kind):
            pass

        size = lambda value: len(value)  # noqa: E731
        mapping = self.make(3, getsizeof=size, kind=More)
        mapping.lock, mapping["a"] = threading.Lock(), [1]
        other = copy.copy(mapping)
        assert type(other) is More
        assert other.lock is mapping.lock
        assert other["a"] is mapping["a"]
        assert other.getsizeof is size
        other["b"] = [1, 2]
        other["b"] = [1]
        assert (other.currsize, mapping.currsize) == (2, 1)

    def test_a_deep_copy_shares_nothing(self):
        mapping = self.make(2)
        mapping["a"] = [1]
        other = copy.deepcopy(mapping)
        other["a"].append(2)
        other["b"] = []
        assert dict(mapping) == {"a": [1]}
        assert other == {"a": [1, 2], "b": []}

    @SINCE_8
    def test_a_copy_goes_its_own_way(self):
        mapping = self.make(2)
        mapping.update(a=1, b=2)
        other = copy.copy(mapping)
        other["c"] = 3
        assert dict(mapping) == {"a": 1, "b": 2}
        assert other.statistics().evictions == 1
        assert mapping.statistics().evictions == 0
        del mapping["a"]
        assert len(other) == 2
