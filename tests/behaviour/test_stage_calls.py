"""A call of a stage is an ordinary call, whatever kind of function it is."""

from __future__ import annotations

import asyncio
import pickle

import pandas as pd
import pytest

import stagecache
from stagecache import File, Ignore, StageDefinitionError


@stagecache.stage
def importable(x: int) -> int:
    return x + 1


def test_a_hit_returns_an_equal_value_that_is_safe_to_change(cache):
    @stagecache.stage
    def frame(n: int) -> pd.DataFrame:
        return pd.DataFrame({"x": range(n), "s": ["a"] * n})

    first = frame(5_000)
    second = frame(5_000)
    pd.testing.assert_frame_equal(first, second)
    second.loc[0, "x"] = 99
    second["s"].array[0] = "changed"
    pd.testing.assert_frame_equal(frame(5_000), first)


def test_positional_keyword_and_default_arguments_have_one_key(cache):
    @stagecache.stage
    def power(base: int, exponent: int = 2) -> int:
        return base**exponent

    power(3)
    for call in (
        lambda: power.is_cached(3, 2),
        lambda: power.is_cached(base=3),
        lambda: power.is_cached(exponent=2, base=3),
    ):
        assert call()
    assert not power.is_cached(3, 3)
    assert not power.is_cached(3.0)
    assert not power.is_cached(True)


def test_star_arguments_count(cache):
    @stagecache.stage
    def call(first: int, *rest: int, **named: int) -> tuple:
        return first, rest, named

    assert call(1, 2, 3, a=4) == (1, (2, 3), {"a": 4}) == call(1, 2, 3, a=4)
    assert call.is_cached(1, 2, 3, a=4)
    assert not call.is_cached(1, 2, a=4)
    assert not call.is_cached(1, 2, 3, b=4)


def test_a_wrong_call_is_an_ordinary_type_error(cache):
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        importable()
    with pytest.raises(TypeError, match="unexpected keyword argument 'y'"):
        importable(1, y=2)
    with pytest.raises(TypeError, match="too many positional arguments"):
        importable(1, 2)


def test_ignored_parameters_do_not_count(cache):
    @stagecache.stage(ignore=("verbose",))
    def quiet(x: int, verbose: bool = False, log: Ignore[object] = None) -> int:
        return x

    quiet(1)
    assert quiet.is_cached(1, verbose=True, log=print)


def test_async_stages_are_awaited_and_share_results_with_pipelines(cache):
    ran = []

    @stagecache.stage(ignore=("log",))
    async def fetch(x: int, log: object = None) -> int:
        ran.append(x)
        await asyncio.sleep(0)
        return x * 10

    @stagecache.stage
    def add(xs: list[int]) -> int:
        return sum(xs)

    @stagecache.pipeline
    def job():
        return add(fetch.map([1, 2]))

    async def main():
        return await asyncio.gather(*[fetch(1) for _ in range(20)])

    assert asyncio.run(main()) == [10] * 20
    assert ran == [1]
    run = job.run()
    assert run.value == 30
    assert run.ran == ("fetch[1]", "add")
    assert ran == [1, 2]

    async def inside_a_loop():
        return job.run().ran, await fetch(2)

    assert asyncio.run(inside_a_loop()) == ((), 20)


class Scaler:
    def __init__(self, factor):
        self.factor = factor

    @stagecache.stage
    def scale(self, x: int) -> int:
        return self.factor * x

    @classmethod
    def make(cls):
        return cls(2)


def test_methods_count_self_by_state(cache):
    assert Scaler(2).scale(3) == 6
    assert Scaler(2).scale.is_cached(3)
    assert not Scaler(3).scale.is_cached(3)
    assert Scaler.scale(Scaler(3), 3) == 9
    assert Scaler(3).scale.is_cached(3)


def test_stages_pickle_by_reference(cache):
    assert pickle.loads(pickle.dumps(importable)) is importable
    other = pickle.loads(pickle.dumps(importable.options(version="2")))
    assert other.settings.version == "2"
    bound = pickle.loads(pickle.dumps(Scaler(2).scale))
    assert bound(4) == 8


def test_forget_refresh_and_forget_all(cache):
    ran = []

    @stagecache.stage(ignore=("log",))
    def count(x: int, log: object = None) -> int:
        ran.append(x)
        return len(ran)

    assert count(1) == count(1) == 1
    assert count.refresh(1) == 2
    assert count(1) == 2
    assert count.forget(1)
    assert not count.forget(1)
    assert count(1) == 3
    count(2)
    assert count.forget_all() == 2
    assert not count.is_cached(1)
    assert not count.is_cached(2)


def test_ttl_is_judged_at_the_read(cache):
    @stagecache.stage
    def rate() -> float:
        return 1.5

    rate()
    assert rate.options(ttl="1d").is_cached()
    assert not rate.options(ttl=0).is_cached()
    assert rate.options(ttl=0).explain().reasons[0].kind == "expired"


def test_version_and_code_options(cache):
    @stagecache.stage(code="version", version="1")
    def one() -> int:
        return 1

    assert one() == 1
    assert one.is_cached()
    assert not one.options(version="2").is_cached()


def test_map_is_lazy_about_nothing_and_zips_strictly(cache):
    @stagecache.stage
    def add(x: int, y: int, z: int = 0) -> int:
        return x + y + z

    assert add.map([1, 2], [10, 20], z=100) == [111, 122]
    with pytest.raises(ValueError, match="zip"):
        add.map([1], [2, 3])


def test_files_count_by_contents_and_name_wherever_they_lie(cache, tmp_path):
    ran = []

    @stagecache.stage(ignore=("log",))
    def size(path: File, log: object = None) -> int:
        ran.append(str(path))
        return len(path.read_bytes())

    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.csv").write_text("1,2")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/x.csv").write_text("1,2")
    (tmp_path / "b/y.csv").write_text("1,2")
    assert size(str(tmp_path / "a/x.csv")) == 3
    assert size(tmp_path / "b/x.csv") == 3
    assert len(ran) == 1
    assert size(File(tmp_path / "b/y.csv")) == 3
    assert len(ran) == 2
    (tmp_path / "b/x.csv").write_text("1,3")
    assert not size.is_cached(tmp_path / "b/x.csv")


def test_a_file_that_is_not_there_is_named(cache, tmp_path):
    @stagecache.stage
    def read(path: File) -> str:
        return path.read_text()

    with pytest.raises(FileNotFoundError, match=r"absent\.csv"):
        read(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: stagecache.stage(len), "function written in Python"),
        (lambda: stagecache.stage(importable), "is a stage already"),
        (lambda: stagecache.stage(ignore=("lgo",))(lambda log: log), "Did you mean `log`"),
        (lambda: stagecache.stage(ignore="log")(lambda log: log), "tuple of names"),
        (lambda: stagecache.stage(staticmethod(len)), "below @staticmethod"),
        (lambda: stagecache.pipeline(len), "function written in Python"),
    ],
)
def test_wrong_declarations_say_what_is_wrong(declare, message):
    with pytest.raises(StageDefinitionError, match=message):
        declare()


def test_an_annotation_that_could_hide_a_policy_must_resolve():
    def load(path: NoSuch[File]):  # noqa: F821
        return path

    with pytest.raises(StageDefinitionError, match="cannot be resolved"):
        stagecache.stage(load)

    def harmless(frame: pd2.DataFrame):  # noqa: F821
        return frame

    assert stagecache.stage(harmless).parameters.files == {}


def test_nested_stages_are_kept_each_and_code_of_the_inner_counts_for_the_outer(cache):
    def make(k):
        @stagecache.stage
        def inner(x: int) -> int:
            return x + k

        @stagecache.stage
        def outer(x: int) -> int:
            return inner(x) * 2

        return inner, outer

    inner, outer = make(1)
    assert outer(1) == 4
    assert inner.is_cached(1)
    assert not make(2)[1].is_cached(1)
    assert make(1)[1].is_cached(1)


def test_results_of_classes_inside_functions_travel_through_pipelines(cache):
    def make():
        class Box:
            def __init__(self, x):
                self.x = x

        @stagecache.stage
        def box(x: int) -> object:
            return Box(x)

        @stagecache.stage
        def unbox(b: object) -> int:
            return b.x

        @stagecache.pipeline
        def job(x: int) -> int:
            return unbox(box(x))

        return job

    assert make()(7) == 7
    again = make().run(7)
    assert again.value == 7
    assert again.ran == ()


def test_a_bound_stage_reached_as_a_global_counts_with_its_instance(cache):
    def make(factor):
        scale = Scaler(factor).scale

        @stagecache.stage
        def outer(x: int) -> int:
            return scale(x)

        return outer

    assert make(2)(3) == 6
    assert make(3)(3) == 9
    assert make(2).is_cached(3)
