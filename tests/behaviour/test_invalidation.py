"""What is invalidated is computed again, at once or softly, and the reason says who said so."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import warnings

import pytest

import stagecache
from stagecache import Cache, pipeline, stage
from stagecache.errors import SettingsError, StageDefinitionError, TraceError

PATIENCE = 60


class Source:
    """Something outside that gives another number each time."""

    def __init__(self):
        self.asked = 0
        self.error = None
        self.entered = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def __call__(self):
        if self.error is not None:
            raise self.error
        self.asked += 1
        number = self.asked
        self.entered.set()
        assert self.go.wait(PATIENCE)
        return number

    def hold(self):
        self.entered.clear()
        self.go.clear()

    def __stagecache_code__(self):
        return ("source",)


def in_thread(work):
    results = []
    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(lambda: results.append(work()),)
    )
    thread.start()

    def join():
        thread.join(PATIENCE)
        assert not thread.is_alive()
        return results[0]

    return join


@pytest.fixture
def source():
    return Source()


def rates_of(source, **options):
    @stage(tags=("fx", "slow"), ignore=("ask",), **options)
    def rates(ask: object = None) -> int:
        return ask()

    return rates


@pytest.mark.parametrize(
    "how",
    [
        lambda cache, rates: rates.invalidate(),
        lambda cache, rates: cache.invalidate(stage=rates),
        lambda cache, rates: cache.invalidate(stage=rates.qualified_name),
        lambda cache, rates: cache.invalidate(tag="fx"),
        lambda cache, rates: cache.invalidate(tag="slow"),
        lambda cache, rates: cache.invalidate(),
    ],
)
def test_what_was_invalidated_runs_once_more(cache, source, how):
    rates = rates_of(source)
    assert [rates(source), rates(source)] == [1, 1]
    how(cache, rates)
    assert not rates.is_cached(source)
    assert [rates(source), rates(source)] == [2, 2]
    how(cache, rates)
    assert [rates(source), rates(source)] == [3, 3]


def test_nothing_else_runs_again(cache, source):
    rates = rates_of(source)
    assert rates(source) == 1
    cache.invalidate(tag="eu")
    cache.invalidate(stage="etl:rates")
    assert rates(source) == 1


def test_without_a_directory_too(source):
    with Cache(":memory:") as cache:
        rates = rates_of(source)
        assert [rates(source), rates(source)] == [1, 1]
        cache.invalidate(tag="fx")
        assert [rates(source), rates(source)] == [2, 2]


def test_a_later_cache_and_an_index_made_anew_know_it(tmp_path, source):
    @stage(tags=("fx",), ignore=("ask",))
    def many(ask: object = None) -> bytes:
        return bytes([ask()]) * 100_000

    with Cache(tmp_path / "cache") as cache:
        assert many(source)[0] == 1
        cache.invalidate(tag="fx")
    for path in (tmp_path / "cache" / "v1").glob("index.db*"):
        path.unlink()
    with Cache(tmp_path / "cache"):
        assert many(source)[0] == 2
    with Cache(tmp_path / "cache"):
        assert many(source)[0] == 2


def test_explain_and_the_run_say_which_mark(cache, source):
    rates = rates_of(source)

    @pipeline
    def job():
        return rates(source)

    assert job() == 1
    cache.invalidate(tag="fx")
    (reason,) = rates.explain(source).reasons
    assert (reason.kind, reason.subject) == ("expired", "tag 'fx'")
    assert reason.detail.startswith("invalidated on ")
    assert job.plan().steps[0].reason == reason
    run = job.run()
    assert run.value == 2
    assert run.outcomes[0].reason.subject == "tag 'fx'"
    assert job.run().ran == ()


def test_a_result_whose_body_used_one_is_outdated_with_it(cache, source):
    rates = rates_of(source)

    @stage(ignore=("ask",))
    def report(ask: object) -> str:
        return f"rate {rates(ask)}"

    @stage(ignore=("ask",))
    def page(ask: object) -> str:
        return f"<p>{report(ask)}"

    assert page(source) == "<p>rate 1"
    cache.invalidate(tag="fx")
    assert page(source) == "<p>rate 2"
    rates.invalidate()
    assert page(source) == "<p>rate 3"
    report.invalidate()
    assert page(source) == "<p>rate 3"
    assert source.asked == 3


def test_what_takes_one_as_an_input_runs_only_if_it_comes_out_different(cache):
    made, ran = [1], []

    @stage(tags=("fx",), ignore=("box",))
    def rates(box: list) -> int:
        return box[0]

    @stage(ignore=("log",))
    def report(rate: int, log: list) -> str:
        log.append(rate)
        return f"rate {rate}"

    @pipeline
    def job():
        return report(rates(made), ran)

    assert job() == "rate 1"
    cache.invalidate(tag="fx")
    assert job.run().ran == ("rates",)
    made[0] = 2
    cache.invalidate(tag="fx")
    assert job() == "rate 2"


def test_changing_tags_runs_nothing_and_the_new_ones_count(cache, source):
    rates = rates_of(source)
    assert rates(source) == 1
    other = rates.options(tags=("eu",))
    assert other(source) == 1
    cache.invalidate(tag="eu")
    assert other(source) == 2
    assert rates(source) == 2


def test_a_mark_that_comes_while_a_body_runs_outdates_its_result(cache, source):
    rates = rates_of(source)
    source.hold()
    running = in_thread(lambda: rates(source))
    assert source.entered.wait(PATIENCE)
    cache.invalidate(tag="fx")
    source.go.set()
    assert running() == 1
    assert [rates(source), rates(source)] == [2, 2]


def test_who_asks_after_the_mark_does_not_get_what_began_before_it(cache, source):
    rates = rates_of(source)
    source.hold()
    first = in_thread(lambda: rates(source))
    assert source.entered.wait(PATIENCE)
    cache.invalidate(tag="fx")
    later = [in_thread(lambda: rates(source)) for _ in range(4)]
    source.go.set()
    assert first() == 1
    assert [join() for join in later] == [2] * 4


def test_async_stages_too(cache, source):
    @stage(tags=("fx",), ignore=("ask",))
    async def rates(ask: object) -> int:
        await asyncio.sleep(0)
        return ask()

    async def job():
        values = [await rates(source), await rates(source)]
        cache.invalidate(tag="fx")
        return [*values, *await asyncio.gather(rates(source), rates(source))]

    assert asyncio.run(job()) == [1, 1, 2, 2]


def test_softly_the_others_get_the_old_value_while_one_computes(cache, source):
    rates = rates_of(source)
    assert rates(source) == 1
    cache.invalidate(tag="fx", soft=True)
    source.hold()
    outcomes = []
    cache.listen(lambda event: outcomes.append(event.outcome) if event.outcome else None)
    refreshing = in_thread(lambda: rates(source))
    assert source.entered.wait(PATIENCE)
    assert [rates(source) for _ in range(5)] == [1] * 5
    assert outcomes[0].reason.subject == "tag 'fx'"
    assert "softly invalidated" in outcomes[0].reason.detail
    source.go.set()
    assert refreshing() == 2
    assert rates(source) == 2


def test_softly_in_a_pipeline(cache, source):
    rates = rates_of(source)

    @pipeline
    def job():
        return rates(source)

    assert job() == 1
    rates.invalidate(soft=True)
    assert "served all the same" in job.plan().steps[0].reason.detail
    source.hold()
    refreshing = in_thread(job)
    assert source.entered.wait(PATIENCE)
    assert job() == 1
    source.go.set()
    assert refreshing() == 2
    assert job.run().ran == ()


def test_softly_what_used_the_old_value_is_outdated_softly_as_well(cache, source):
    rates = rates_of(source)

    @stage(ignore=("ask",))
    def report(ask: object) -> str:
        return f"rate {rates(ask)}"

    assert rates(source) == 1
    cache.invalidate(tag="fx", soft=True)
    source.hold()
    refreshing = in_thread(lambda: rates(source))
    assert source.entered.wait(PATIENCE)
    assert report(source) == "rate 1"
    source.go.set()
    assert refreshing() == 2
    assert report(source) == "rate 2"


def test_after_a_soft_mark_a_body_that_raises_is_one_warning(cache, source):
    rates = rates_of(source)
    assert rates(source) == 1
    rates.invalidate(soft=True)
    source.error = OSError("no route to host")
    with pytest.warns(stagecache.StagecacheWarning, match="every call tries again.$"):
        assert rates(source) == 1
    rates.invalidate()
    with pytest.raises(OSError, match="no route"):
        rates(source)


def test_a_hard_mark_after_a_soft_one_and_serve_stale_forbids_the_old_value(cache, source):
    rates = rates_of(source, ttl="1ms", serve_stale="1d")
    assert rates(source) == 1
    rates.invalidate(soft=True)
    rates.invalidate()
    source.hold()
    first = in_thread(lambda: rates(source))
    assert source.entered.wait(PATIENCE)
    second = in_thread(lambda: rates(source))
    source.go.set()
    assert first() >= 2
    assert second() >= 2


def test_marks_that_are_damaged_make_everything_run_once(tmp_path, source):
    rates = rates_of(source)
    with Cache(tmp_path / "cache") as cache:
        assert rates(source) == 1
        cache.invalidate(tag="other")
    path = tmp_path / "cache" / "v1" / "marks"
    path.write_bytes(path.read_bytes().replace(b"other", b"OTHER"))
    for _ in range(3):
        with Cache(tmp_path / "cache"):
            assert rates(source) == 2


def test_a_read_only_cache_refuses(tmp_path, source):
    with Cache(tmp_path / "cache"):
        assert rates_of(source)(source) == 1
    with Cache(tmp_path / "cache", read_only=True) as cache:
        with pytest.raises(SettingsError, match="read_only"):
            cache.invalidate()
        assert rates_of(source)(source) == 1


def test_accepting_an_edit_does_not_make_what_was_invalidated_good(cache, source):
    rates = rates_of(source)
    assert rates(source) == 1
    rates.invalidate()
    edited = rates.options(version="2")
    edited.accept()
    assert edited(source) == 2


def test_tags_are_names():
    with pytest.raises(StageDefinitionError, match=r"tags=\('fx',\)"):
        stage(tags="fx")
    with pytest.raises(StageDefinitionError, match="tags"):
        stage(tags=(1,))


def test_inside_a_pipeline_function_nothing_is_invalidated(cache, source):
    rates = rates_of(source)

    @pipeline
    def job():
        rates.invalidate()
        return rates(source)

    with pytest.raises(TraceError):
        job()


def test_generators_files_and_frames_too(cache, tmp_path, source):
    import pandas as pd

    @stage(tags=("fx",), ignore=("ask",))
    def numbers(ask: object):
        yield ask()

    @stage(tags=("fx",), ignore=("ask",))
    def frame(ask: object) -> pd.DataFrame:
        return pd.DataFrame({"x": range(10_000), "made": ask()})

    @stage(tags=("fx",), ignore=("ask", "folder"))
    def written(ask: object, folder: str) -> stagecache.File:
        with open(f"{folder}/rates.txt", "w") as stream:
            stream.write(str(ask()))
        return stagecache.File(f"{folder}/rates.txt")

    def values():
        made = frame(source).made[0]
        return list(numbers(source)), int(made), open(written(source, tmp_path)).read()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        first = values()
        assert values() == first
        cache.invalidate(tag="fx")
        second = values()
        assert len({str(value) for value in (*first, *second)}) > 3
        assert source.asked == 6
        cache.invalidate(tag="fx", soft=True)
        values()
        assert source.asked == 9
