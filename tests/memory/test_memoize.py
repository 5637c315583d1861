"""A memoized function computes each key once, never mixes calls up, and keeps nobody alive."""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import pickle
import sys
import threading
import weakref
from contextlib import suppress

import cachetools
import numpy as np
import pandas as pd
import pytest

import stagecache
from stagecache import memoize, memory
from stagecache.errors import FingerprintError, LeaseError, StageDefinitionError
from stagecache.testing.clock import FakeClock

calls: list[object] = []


@pytest.fixture(autouse=True)
def _no_calls():
    calls.clear()


def noted(*args, **kwargs):
    calls.append((args, kwargs))
    return args, kwargs


@memoize
def of_this_module(x):
    """What it says."""
    return noted(x)


class TestKeys:
    def test_calls_that_look_alike_do_not_meet(self):
        f = memoize(noted)
        different = [((1, 2), {}), (("1 2",), {}), (("1", "2"), {}), (((1, 2),), {})]
        different += [((None, "a"), {}), ((), {"a": None}), ((("a", None),), {}), (("a", None), {})]
        for args, kwargs in different:
            assert f(*args, **kwargs) == (args, kwargs)
        assert len(calls) == len(different)

    def test_calls_that_mean_the_same_meet(self):
        @memoize
        def f(a, /, b=2, *rest, c=3, **more):
            return noted(a, b, rest, c, more)

        for args, kwargs in [((1,), {}), ((1, 2), {}), ((1,), {"b": 2}), ((1,), {"c": 3, "b": 2})]:
            f(*args, **kwargs)
        f(1, z=1, y=2)
        f(1, y=2, z=1)
        assert len(calls) == 2

    def test_a_call_that_does_not_fit_is_refused_in_the_words_of_python(self):
        @memoize
        def scale(x, *, by):
            return x * by

        with pytest.raises(TypeError, match=r"scale\(\) missing 1 required keyword-only.*'by'"):
            scale(1)
        with pytest.raises(TypeError, match="unexpected keyword argument 'to'"):
            scale(1, to=2)
        assert scale.cache_info().misses == 0

    def test_parameters_may_have_the_names_of_builtins(self):
        @memoize(typed=True)
        def f(tuple, type, /, sorted, *map, k=0, **_k):  # noqa: A002
            return tuple, type, sorted, map, k, _k

        assert f(1, 2, 3, 4, k=5, z=6) == f(1, 2, 3, 4, z=6, k=5) == (1, 2, 3, (4,), 5, {"z": 6})
        assert f.cache_info().hits == 1

    def test_equal_arguments_meet_as_in_a_dict_unless_types_count(self):
        loose, typed = memoize(noted), memoize(typed=True)(noted)
        for f in (loose, typed):
            f(3)
            f(3.0)
            f(a=1)
            f(a=True)
        assert (loose.cache_info().misses, typed.cache_info().misses) == (2, 4)

    def test_arguments_without_a_hash_count_by_content(self):
        f = memoize(noted)
        frame = pd.DataFrame({"a": [1, 2]})
        for value in ([1], {"a": {1}}, np.arange(3), frame, (1, [2]), {"b": frame}):
            f(value), f(copy.deepcopy(value)), f(key=value), f(key=copy.deepcopy(value))
        assert f.cache_info()[:2] == (12, 12)
        assert f([1]) is not f([2])
        frame.loc[0, "a"] = 9
        f(frame)
        assert len(calls) == 14

    def test_an_argument_that_has_neither_hash_nor_content_is_named(self):
        class Odd:
            __hash__ = None

            def __reduce_ex__(self, protocol):
                raise TypeError("cannot be taken apart")

        with pytest.raises(FingerprintError, match=r"argument of noted"):
            memoize(noted)(Odd())

    def test_a_key_of_ones_own(self):
        @memoize(key=lambda x, **_: x % 10)
        def f(x, log=None):
            return noted(x)

        assert f(1) is f(11, log=print)
        assert f(1) is not f(2)

    def test_what_has_no_signature_can_be_memoized(self):
        assert memoize(max)(1, 3, 2) == 3
        assert memoize(dict)(a=1) == {"a": 1}
        f = memoize(functools.partial(noted, 1))
        assert f(2) is f(2)
        assert f(2) == ((1, 2), {})


class TestBounds:
    def test_the_least_recently_used_goes(self):
        f = memoize(2)(noted)
        f(1), f(2), f(1), f(3), f(1)
        assert [args for args, _ in calls] == [(1,), (2,), (3,)]
        f(2)
        assert len(calls) == 4
        assert f.cache_info() == (2, 4, 2, 2)

    def test_all_are_kept_or_none(self):
        every, none = memoize(None)(noted), memoize(0)(noted)
        for x in [*range(300), *range(300)]:
            every(x), none(x)
        assert every.cache_info() == (300, 300, None, 300)
        assert none.cache_info() == (0, 600, 0, 0)

    @pytest.mark.parametrize("maxsize", [5, None])
    def test_a_result_is_good_for_its_time(self, maxsize):
        clock = FakeClock()
        f = memoize(maxsize, ttl="1m", timer=clock.monotonic)(noted)
        f(1)
        clock.advance(59)
        f(1)
        assert len(calls) == 1
        clock.advance(1)
        f(1)
        assert len(calls) == 2

    def test_clearing_forgets_results_and_counts(self):
        f = memoize(noted)
        f(1), f(1)
        f.cache_clear()
        assert f.cache_info() == (0, 0, 128, 0)
        f(1)
        assert len(calls) == 2

    def test_one_result_can_be_let_go(self):
        f = memoize(noted)
        f(1), f([2])
        del f.cache[f.cache_key([2])]
        f(1), f([2])
        assert len(calls) == 3

    def test_none_is_a_result(self):
        f = memoize(lambda: calls.append(1))
        f(), f()
        assert len(calls) == 1

    @pytest.mark.parametrize("wrong", [-1, "many", 1.5, True])
    def test_another_bound_is_refused(self, wrong):
        with pytest.raises(StageDefinitionError, match="maxsize"):
            memoize(wrong)


class TestMappings:
    @pytest.mark.parametrize(
        "make",
        [dict, lambda: cachetools.LFUCache(10), lambda: memory.LRU(10), lambda: memory.TTL(9, 99)],
    )
    def test_functions_share_a_mapping_and_never_their_results(self, make):
        mapping = make()
        f, g = memoize(mapping)(lambda x: ("f", x)), memoize(mapping)(lambda x: ("g", x))
        assert f(1) == f(1) == ("f", 1)
        assert g(1) == ("g", 1)
        assert len(mapping) == 2
        assert f.cache is mapping
        f.cache_clear()
        assert len(mapping) == 1
        assert g.cache_info().hits == 0
        assert g(1) == ("g", 1)
        assert g.cache_info()[:2] == (1, 1)

    def test_what_is_too_large_is_returned_and_not_kept(self):
        f = memoize(cachetools.LRUCache(10, getsizeof=len))(lambda n: "x" * n)
        assert (f(11), f(3)) == ("x" * 11, "x" * 3)
        assert f.cache_info() == (0, 2, 10, 3)

    def test_the_results_of_objects_that_are_gone_are_swept_out(self):
        mapping = {}

        class C:
            @memoize(mapping)
            def m(self, x):
                return x

        one, other = C(), C()
        one.m(1), one.m(2), other.m(1)
        assert len(mapping) == 3
        del one
        gc.collect()
        other.m(2)
        assert len(mapping) == 2
        assert other.m.cache_info().hits == 0
        other.m(1)
        assert other.m.cache_info().hits == 1

    def test_a_ttl_belongs_to_the_mapping(self):
        with pytest.raises(StageDefinitionError, match=r"memory\.TTL"):
            memoize({}, ttl=60)

    def test_cachebox(self):
        cachebox = pytest.importorskip("cachebox")
        mapping = cachebox.LRUCache(2)
        f = memoize(mapping)(noted)
        f(1), f(1), f(2), f(3)
        assert f.cache_info() == (1, 3, 2, 2)
        f.cache_clear()
        assert len(mapping) == 0
        small = cachebox.LRUCache(3, getsizeof=lambda _key, value: len(value))
        assert memoize(small)(lambda: "long")() == "long"


class TestMethods:
    def test_each_object_has_results_of_its_own_and_is_not_kept_alive(self):
        class C:
            def __init__(self, n):
                self.n = n

            def __eq__(self, other):
                return True

            __hash__ = None

            @memoize
            def plus(self, x):
                calls.append(x)
                return self.n + x

        one, other = C(1), C(10)
        assert (one.plus(1), one.plus(1), other.plus(1), one.plus(x=1)) == (2, 2, 11, 2)
        assert calls == [1, 1]
        assert C.plus(one, 1) == 2
        assert len(calls) == 2
        assert one.plus.cache_info() == (3, 1, 128, 1)
        assert C.plus.cache_info() == (3, 2, 128, 2)
        gone = weakref.ref(one)
        del one
        gc.collect()
        assert gone() is None
        assert C.plus.cache_info().currsize == 1

    def test_methods_of_one_name_and_of_heirs_do_not_meet(self):
        class A:
            @memoize
            def m(self, x):
                return "A", x

        class B(A):
            @memoize
            def m(self, x):
                return "B", *super().m(x)

        class Other:
            @memoize
            def m(self, x):
                return "Other", x

        b = B()
        assert [b.m(1), b.m(1), A().m(1), Other().m(1)] == [
            ("B", "A", 1), ("B", "A", 1), ("A", 1), ("Other", 1)
        ]  # fmt: skip

    def test_clearing_on_an_object_is_for_this_object(self):
        class C:
            @memoize
            def m(self, x):
                return noted(x)

        one, other = C(), C()
        one.m(1), other.m(1)
        one.m.cache_clear()
        one.m(1), other.m(1)
        assert len(calls) == 3
        C.m.cache_clear()
        one.m(1), other.m(1)
        assert len(calls) == 5
        assert one.m.cache_key(2) == one.m.cache_key(x=2)
        assert one.m.__self__ is one
        assert one.m.__wrapped__(4) == ((4,), {})

    def test_objects_that_cannot_be_watched_count_as_arguments(self):
        class Pair(tuple):
            __slots__ = ()

            @memoize
            def total(self, scale):
                return noted(sum(self) * scale)

        assert Pair((1, 2)).total(3) is Pair((1, 2)).total(3)
        assert Pair((1, 3)).total(3) == ((12,), {})
        assert len(calls) == 2

    @pytest.mark.parametrize("outer", [staticmethod, classmethod])
    def test_class_and_static_methods_either_way_round(self, outer):
        def static(x):
            return noted(x)

        def of_class(cls, x):
            return noted(cls.__name__, x)

        body = static if outer is staticmethod else of_class

        class C:
            below = outer(memoize(body))
            above = memoize(outer(body))

        class D(C):
            pass

        for call in (C.below, C.above, C().below, C().above):
            call(1), call(x=1)
        assert len(calls) == 2
        D.below(1)
        assert len(calls) == (2 if outer is staticmethod else 3)

    def test_a_method_may_take_its_object_among_others(self):
        class C:
            @memoize
            def m(*args):
                return noted(*args[1:])

        c = C()
        assert c.m(1, 2) is c.m(1, 2)
        assert c.m(1) == ((1,), {})
        gone = weakref.ref(c)
        del c
        gc.collect()
        assert gone() is None

    def test_a_key_of_ones_own_is_asked_without_the_object(self):
        class C:
            @memoize(key=str.lower)
            def m(self, word):
                return noted(word)

        c = C()
        assert c.m("A") is c.m("a")
        assert c.m("a") is not C().m("a")

    def test_a_bound_method_can_be_pickled_with_its_object(self):
        again = pickle.loads(pickle.dumps(Importable().m))
        assert again(2) == 4


class Importable:
    @memoize
    def m(self, x):
        return 2 * x


class TestOnce:
    def test_one_of_many_threads_computes(self):
        started, may_end = threading.Event(), threading.Event()

        @memoize
        def f(x):
            calls.append(x)
            started.set()
            may_end.wait()
            return [x]

        found = []
        threads = [threading.Thread(target=lambda: found.append(f(1))) for _ in range(8)]
        for thread in threads:
            thread.start()
        started.wait()
        may_end.set()
        for thread in threads:
            thread.join()
        assert calls == [1]
        assert all(each is found[0] for each in found)
        assert f.cache_info()[:2] == (7, 1)

    def test_an_exception_is_for_those_who_wait_and_never_kept(self):
        f = memoize(lambda x: calls.append(x) or 1 // x)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                f(0)
        assert calls == [0, 0]
        assert f.cache_info() == (0, 2, 128, 0)

    def test_a_function_may_call_itself(self):
        @memoize(None)
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)

        assert fib(60) == 1548008755920
        assert fib.cache_info().misses == 61

    def test_a_function_that_needs_its_own_result_is_told_so(self):
        f = memoize(lambda x: f(x))
        with pytest.raises(LeaseError):
            f(1)

    def test_functions_of_equal_arguments_may_call_each_other(self):
        g = memoize(lambda x: x + 1)
        f = memoize(lambda x: g(x) + 1)
        assert f(1) == 3

    def test_what_was_begun_before_a_clearing_is_not_kept(self):
        @memoize
        def f():
            calls.append(1)
            if len(calls) == 1:
                f.cache_clear()
            return len(calls)

        assert [f(), f(), f()] == [1, 2, 2]

    def test_counts_are_whole_under_threads(self):
        f = memoize(4)(lambda x: x)
        start = threading.Barrier(6)

        def work():
            start.wait()
            for turn in range(500):
                assert f(turn % 7) == turn % 7

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        info = f.cache_info()
        assert info.hits + info.misses == 3000
        assert info.currsize == 4


class TestAsync:
    def test_every_call_can_be_awaited_and_one_computes(self):
        @memoize
        async def f(x):
            calls.append(x)
            await asyncio.sleep(0)
            return [x]

        async def main():
            found = await asyncio.gather(*[f(1) for _ in range(5)])
            return [*found, await f(1), await f([2]), await f([2])]

        found = asyncio.run(main())
        assert all(each is found[0] for each in found[:6])
        assert found[6] is found[7]
        assert calls == [1, [2]]
        assert f.cache_info()[:2] == (6, 2)
        assert asyncio.run(f(1)) is found[0]

    def test_loops_and_exceptions(self):
        @memoize
        async def f(x):
            calls.append(x)
            raise ValueError(x)

        async def main():
            return await asyncio.gather(f(1), f(1), return_exceptions=True)

        one, other = asyncio.run(main())
        assert one is other
        with suppress(ValueError):
            asyncio.run(f(1))
        assert calls == [1, 1]

    def test_who_is_cancelled_takes_nobody_with_him(self):
        @memoize
        async def f():
            calls.append(1)
            await asyncio.sleep(0)
            return 7

        async def main():
            first, second = asyncio.ensure_future(f()), asyncio.ensure_future(f())
            await asyncio.sleep(0)
            first.cancel()
            return await second

        assert asyncio.run(main()) == 7
        assert calls == [1]

    def test_it_is_seen_to_be_a_coroutine_function(self):
        import inspect

        class C:
            @memoize(key=lambda x: x)
            async def m(self, x):
                return x

        async def f(x):
            return x

        partly = memoize(functools.partial(f, 1))
        for each in (memoize(f), memoize(key=str)(f), C().m, partly):
            assert inspect.iscoroutinefunction(each)
        assert not inspect.iscoroutinefunction(memoize(noted))
        assert [asyncio.run(partly()), asyncio.run(partly())] == [1, 1]
        with pytest.raises(TypeError, match="missing 1 required"):
            memoize(f)()

    def test_methods(self):
        class C:
            @memoize
            async def m(self, x):
                return noted(x)

        c = C()

        async def main():
            return await c.m(1), await c.m(1), await C.m(c, 1)

        assert len({id(each) for each in asyncio.run(main())}) == 1
        assert len(calls) == 1

    def test_a_plain_function_that_gives_a_coroutine_is_refused(self):
        async def inner():
            return 1

        f = memoize(lambda: inner())
        with pytest.raises(StageDefinitionError, match="only once"):
            f()


class TestFace:
    def test_generators_are_refused_with_a_reason(self):
        def f():
            yield 1

        async def g():
            yield 1

        for generator in (f, g):
            with pytest.raises(StageDefinitionError, match="can be read only once"):
                memoize(generator)
        with pytest.raises(StageDefinitionError, match="only once"):
            memoize(lambda: f())()

    def test_it_looks_like_the_function(self):
        import inspect

        assert of_this_module.__name__ == "of_this_module"
        assert of_this_module.__doc__ == "What it says."
        assert list(inspect.signature(of_this_module).parameters) == ["x"]
        assert of_this_module.__wrapped__(1) == ((1,), {})
        assert "of_this_module" in repr(of_this_module)

    def test_it_is_pickled_by_name_and_copied_as_itself(self):
        name = of_this_module.__module__
        sys.modules.setdefault(name, sys.modules[__name__])
        assert pickle.loads(pickle.dumps(of_this_module)) is of_this_module
        assert copy.copy(of_this_module) is copy.deepcopy(of_this_module) is of_this_module

    def test_the_value_is_handed_out_as_it_is(self):
        f = memoize(list)
        assert f() is f()

    def test_a_stage_that_calls_it_reruns_when_it_is_edited_and_only_then(self, cache, project):
        program = """
            from stagecache import Cache, memoize, stage

            @memoize
            def helper(x):
                return x + 1

            @stage
            def step(x: int) -> int:
                return helper(x)

            if __name__ == "__main__":
                with Cache():
                    helper(5)
                    print(step.is_cached(1), step(1))
        """
        project.write("job.py", program)
        run = lambda: project.python("job.py").stdout.split()  # noqa: E731
        assert [run(), run()] == [["False", "2"], ["True", "2"]]
        project.edit("job.py", "x + 1", "x + 2")
        assert run() == ["False", "3"]

    def test_as_an_argument_of_a_stage_it_counts_by_its_code_alone(self, cache):
        @stagecache.stage
        def apply(f, x: int) -> int:
            return f(x)

        assert apply(of_this_module.__wrapped__, 1) is not None
        g = memoize(lambda x: x + 1)
        apply(g, 1)
        g(5)
        assert apply.is_cached(g, 1)
        assert not apply.is_cached(memoize(lambda x: x + 2), 1)

    def test_it_is_exported(self):
        assert stagecache.memoize is memoize
