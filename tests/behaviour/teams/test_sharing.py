"""What one machine computed, the others find: whatever it is, and wherever it is shared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stagecache import pipeline, stage
from stagecache.errors import StagecacheWarning


class Model:
    """What only a pickle holds."""

    def __init__(self, weight):
        self.weight = weight


@pytest.fixture
def stages(ran):
    """Stages of every kind, and what their results are to be."""

    @stage
    def plain(n: int) -> dict:
        ran.append("plain")
        return {"n": n, "rest": [1, 2.5, None, "x", b"y", (True,)]}

    @stage
    def large(n: int) -> bytes:
        ran.append("large")
        return bytes(range(256)) * n

    @stage
    def frame(n: int) -> pd.DataFrame:
        ran.append("frame")
        return pd.DataFrame({"a": np.arange(n), "s": [f"x{i}" for i in range(n)]})

    @stage
    def parts(n: int) -> dict:
        ran.append("parts")
        return {"sums": [1, 2], "arrays": [np.full(size, size) for size in (3, n, 4 * n)]}

    @stage
    def items(n: int):
        ran.append("items")
        for i in range(n):
            yield np.full(20_000, i) if i % 2 else i
        return "end"

    return {
        "plain": lambda: plain(3)["rest"],
        "large": lambda: len(large(4_000)),
        "frame": lambda: frame(20_000)["s"].iloc[-1],
        "parts": lambda: [int(array.sum()) for array in parts(10_000)["arrays"]],
        "items": lambda: [int(np.max(item)) for item in items(6)],
    }


def test_what_one_machine_computed_is_a_hit_on_another(host, shared, stages, ran):
    with host("one", **shared):
        made = {name: call() for name, call in stages.items()}
    with host("other", **shared) as other:
        assert {name: call() for name, call in stages.items()} == made
        assert other.verify() == []
    assert sorted(ran) == sorted(stages)
    with host("other"):  # from now on it has them for itself
        assert {name: call() for name, call in stages.items()} == made
    assert sorted(ran) == sorted(stages)


def test_the_disk_keeps_pickles_while_the_team_gets_what_runs_no_code(host, redis_server, stages):
    with host("one", redis=redis_server.url) as one:
        stages["frame"]()
        assert [entry.codec for entry, _ in one.entries()] == ["pickle"]
    with host("other", redis=redis_server.url) as other:
        stages["frame"]()
        assert [(entry.codec, entry.is_foreign) for entry, _ in other.entries()] == [
            ("arrow", True)
        ]


def test_what_only_a_pickle_holds_stays_on_this_machine(host, redis_server, ran):
    @stage
    def fit(n: int) -> Model:
        ran.append(n)
        return Model(n)

    with host("one", redis=redis_server.url):
        with pytest.warns(StagecacheWarning, match="`fit` are kept on this machine only") as told:
            fit(1), fit(2)
        assert len(told) == 1
    with host("one", redis=redis_server.url):
        assert fit(1).weight == 1
    assert ran == [1, 2]
    with host("other", redis=redis_server.url), pytest.warns(StagecacheWarning):
        fit(1)
    assert ran == [1, 2, 1]


def test_a_team_with_a_key_may_share_pickles(host, redis_server, key, ran):
    @stage
    def fit(n: int) -> Model:
        ran.append(n)
        return Model(n)

    team = {"redis": redis_server.url, "signing_key": key("team"), "allow_pickle": True}
    with host("one", **team):
        fit(1)
    with host("other", **team) as other:
        assert fit(1).weight == 1
        assert [entry.is_foreign for entry, _ in other.entries()] == [False]
    with host("other"):
        assert fit(1).weight == 1
    with host("group", shared=True, **team):  # nobody's pickles lie in a directory of a group
        assert fit(1).weight == 1
        assert fit(2).weight == 2
    with host("third", **team):
        assert fit(2).weight == 2
    assert ran == [1, 2]


def test_a_pipeline_stops_where_results_come_out_equal_whoever_computed_them(
    host, redis_server, ran
):
    @stage
    def numbers(n: int) -> list[int]:
        ran.append("numbers")
        return list(range(n % 10))

    @stage
    def total(numbers: list[int]) -> int:
        ran.append("total")
        return sum(numbers)

    @pipeline
    def main(n: int) -> int:
        return total(numbers(n))

    with host("one", redis=redis_server.url):
        assert main(5) == 10
    with host("other", redis=redis_server.url):
        run = main.run(15)
        assert (run.value, run.ran) == (10, ("numbers",))
        assert main.run(5).ran == ()
    assert ran == ["numbers", "total", "numbers"]


def test_a_rerun_that_loads_nothing_is_a_rerun_without_the_server_from_then_on(
    host, own_redis_server, ran
):
    server = own_redis_server()

    @stage
    def numbers(n: int) -> bytes:
        ran.append("numbers")
        return bytes(n)

    @stage
    def size(numbers: bytes) -> int:
        ran.append("size")
        return len(numbers)

    @pipeline
    def main(n: int) -> int:
        return size(numbers(n))

    with host("one", redis=server.url):
        main(200_000)
    with host("other", redis=server.url):
        assert main.run(200_000).ran == ()
    server.stop()
    with host("other"):
        assert main.run(200_000).ran == ()
    assert ran == ["numbers", "size"]


def test_a_value_that_was_evicted_here_is_fetched_and_not_computed_again(host, redis_server, ran):
    @stage
    def large(n: int) -> bytes:
        ran.append(n)
        return bytes(n)

    @stage
    def length(data: bytes) -> int:
        return len(data)

    with host("one", redis=redis_server.url) as one:
        large(200_000)
        one.gc(max_size=100_000)
        assert [entry.has_value for entry, _ in one.entries()] == [False]
        assert large.is_cached(200_000)
    with host("one", redis=redis_server.url) as one:
        assert len(large(200_000)) == 200_000
        assert [(e.has_value, p.arguments[0].name) for e, p in one.entries()] == [(True, "n")]
        assert pipeline(lambda: length(large(200_000)))() == 200_000
    assert ran == [200_000]


def test_other_machines_explain_why_a_stage_runs(host, redis_server):
    @stage
    def power(base: int, exponent: int) -> int:
        return base**exponent

    with host("one", redis=redis_server.url):
        power(2, 10)
    with host("other", redis=redis_server.url):
        power(2, 10)
        [reason] = power.explain(2, 11).reasons
        assert (reason.kind, reason.subject) == ("argument", "exponent")


def test_an_edit_that_one_machine_accepts_is_its_own_word_only(host, redis_server, ran):
    def versioned(number):
        @stage(code="version", version=str(number))
        def double(n: int) -> int:
            ran.append(number)
            return 2 * n

        return double

    with host("one", redis=redis_server.url):
        versioned(1)(4)
        assert versioned(2).accept() == 1
        assert versioned(2)(4) == 8
    assert ran == [1]
    with host("other", redis=redis_server.url):
        assert versioned(2)(4) == 8
    assert ran == [1, 2]


def test_what_a_team_kept_before_lies_where_no_other_namespace_looks(host, redis_server, ran):
    @stage
    def double(n: int) -> int:
        ran.append(n)
        return 2 * n

    with host("one", redis=redis_server.url, namespace="blue"):
        double(1)
    with host("other", redis=redis_server.url, namespace="green"):
        double(1)
    assert ran == [1, 1]
    with host("third", redis=redis_server.url, namespace="blue"):
        double(1)
    assert ran == [1, 1]


@pytest.mark.parametrize("topology", ["cluster", "sentinel"])
def test_a_cluster_and_what_sentinels_watch_are_named_by_url(topology, request, host, ran):
    if topology == "cluster":
        url = request.getfixturevalue("redis_cluster").url
    else:
        master = request.getfixturevalue("own_redis_server")()
        sentinel = request.getfixturevalue("redis_sentinel")(master)
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/service/0"

    @stage
    def parts(n: int) -> list[bytes]:
        ran.append(n)
        return [bytes(n), bytes([1] * n)]

    with host("one", redis=url):
        parts(100_000)
    with host("other", redis=url):
        assert len(parts(100_000)[1]) == 100_000
    assert ran == [100_000]
