"""``stagecache run``: runs a pipeline or a stage and says what ran, what hit and why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from stagecache.cli.arguments import bind
from stagecache.cli.failures import FAILED, traceback_of
from stagecache.cli.output import print_json, print_table, print_text, stdout_kept_clear
from stagecache.cli.targets import as_pipeline, load_target
from stagecache.executors.base import NAMES
from stagecache.records import duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stagecache.model import Event, Outcome
    from stagecache.records import Run


@click.command()
@click.argument("target", metavar="FILE_OR_MODULE:NAME")
@click.argument("arguments", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--executor", type=click.Choice(NAMES), help="Where bodies run.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many bodies may run at once.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def run(
    target: str,
    arguments: tuple[str, ...],
    executor: str | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Run a pipeline or a stage: only what has to run.

    NAME is a pipeline or a stage of a file (etl.py:nightly) or of a module (jobs.etl:nightly).
    Each VALUE is read as the parameter's annotation says; lists and dicts are JSON.
    """
    from stagecache.default import current

    record, error = None, None
    with stdout_kept_clear(as_json):
        found = load_target(target)
        args, kwargs = bind(found, arguments)
        pipeline = as_pipeline(found).options(executor=executor, jobs=jobs)
        cease = current().listen(_say_who_is_waited_for)
        try:
            record = pipeline.run(*args, **kwargs)
        except Exception as raised:
            record, error = getattr(raised, "__stagecache_run__", None), raised
            if record is None:
                raise
        finally:
            cease()
    if as_json:
        print_json(record.to_dict())
    else:
        _print_run(record)
    if error is not None:
        sys.stderr.write(traceback_of(error))
        sys.exit(FAILED)


def _say_who_is_waited_for(event: Event) -> None:
    """Say on standard error, once a second, why nothing goes on."""
    if event.kind == "waiting" and not event.message.endswith(" 0 s"):
        sys.stderr.write(f"{event.node}: {event.message}\n")


def _print_run(record: Run[Any]) -> None:
    """Print a line for the run and one for each stage: a stage may have thousands of nodes."""
    print_text(record.headline)
    stages: dict[str, list[Outcome]] = {}
    for outcome in record.outcomes:
        stages.setdefault(outcome.stage, []).append(outcome)
    print_table(
        ("stage", ">ran", ">hit", ">time", ">saved", "why"),
        [_row(stage, outcomes) for stage, outcomes in stages.items()],
    )
    if record.value is not None:
        print_text(f"value: {_brief(record.value)}")


def _row(stage: str, outcomes: list[Outcome]) -> tuple[object, ...]:
    ran = [o for o in outcomes if o.status == "ran"]
    hits = [o for o in outcomes if o.status == "hit"]
    return (
        stage.rpartition(":")[2],
        len(ran) or "",
        len(hits) or "",
        duration(sum(o.seconds for o in ran)) if ran else "",
        duration(sum(o.saved for o in hits)) if hits else "",
        _why(outcomes),
    )


def _why(outcomes: Iterable[Outcome]) -> str:
    """Return the reasons of a stage's nodes, each once; what failed is named."""
    found: dict[str, None] = {}
    for outcome in outcomes:
        if outcome.status == "failed":
            found[f"{outcome.node} failed: {_error(outcome.error)}"] = None
        elif outcome.status == "skipped":
            found["skipped"] = None
        elif outcome.reason is not None:
            found[str(outcome.reason)] = None
        if outcome.is_unkept:
            found["not kept"] = None
    shown = list(found)[:3]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _error(error: BaseException | None) -> str:
    import textwrap

    return textwrap.shorten(f"{type(error).__name__}: {error}", 80, placeholder=" ...")


def _brief(value: Any) -> str:
    """Return one line for any value; large ones by their kind and shape."""
    import reprlib

    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{type(value).__name__} {'x'.join(map(str, shape))}"
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    return short.repr(value).split("\n", 1)[0]
