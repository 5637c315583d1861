"""Checked by mypy: decorated functions keep their exact types."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, assert_type

from stagecache import Run, Stage, memoize, pipeline, stage


@stage
def double(x: int, *, times: int = 1) -> float:
    return x * 2.0 * times


@stage(version="2")
def name(x: float) -> str:
    return str(x)


@stage
async def fetch(url: str) -> bytes:
    return url.encode()


@stage(ttl="1h", serve_stale="1d", early_refresh=True)
def rates(day: str) -> dict[str, float]:
    return {day: 1.0}


class Model:
    @stage
    def predict(self, x: int) -> str:
        return str(x)


@pipeline
def job(n: int) -> list[float]:
    return double.map(range(n))


def takes(step: Stage[[float], str]) -> str:
    return step(1.0)


def checked_but_never_called() -> None:
    assert_type(double(1, times=2), float)
    assert_type(name(1.0), str)
    waiting: Coroutine[Any, Any, bytes] = fetch("u")
    waiting.close()
    assert_type(Model().predict(1), str)
    assert_type(double.map([1]), list[float])
    assert_type(double.refresh(1), float)
    assert_type(double.options(ttl="1d")(1), float)
    assert_type(rates("mon"), dict[str, float])
    assert_type(rates.options(serve_stale=60.0, early_refresh=2)("mon"), dict[str, float])
    rates.options(serve_stale=True, early_refresh="yes")  # type: ignore[arg-type]
    assert_type(job(3), list[float])
    assert_type(job.run(3), Run[list[float]])
    assert_type(job.run(3).value, list[float])
    assert_type(job.options(jobs=2).run(3).value, list[float])
    takes(name)
    double("1")  # type: ignore[arg-type]
    double(1, time=2)  # type: ignore[call-arg]
    takes(double)  # type: ignore[arg-type]


@memoize
def half(x: int, *, times: int = 1) -> float:
    return x / 2 * times


@memoize(maxsize={}, typed=True)
async def later(x: int) -> str:
    return str(x)


class Source:
    @memoize(10)
    def read(self, name: str) -> bytes:
        return name.encode()


def check_memoized() -> None:
    assert_type(half(1, times=2), float)
    waiting: Coroutine[Any, Any, str] = later(1)
    waiting.close()
    assert_type(Source().read("a"), bytes)
    assert_type(Source.read(Source(), "a"), bytes)
    half("1")  # type: ignore[arg-type]
    Source().read(1)  # type: ignore[arg-type]
