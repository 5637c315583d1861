"""``stagecache status``: what the cache holds of each stage, and how the last runs went."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING

import click

from stagecache.cli.output import ago, print_json, print_table, print_text, size
from stagecache.errors import StagecacheWarning
from stagecache.records import duration

if TYPE_CHECKING:
    from stagecache.stores.shared.store import SharedStats


@click.command()
@click.option("--runs", "limit", type=click.IntRange(min=0), default=5, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(limit: int, as_json: bool) -> None:
    """Say what is kept and how the last runs went."""
    from stagecache.default import current

    cache = current()
    stats, stages, runs = cache.stats(), cache.stages(), cache.runs(limit) if limit else []
    bound, collections = cache.bound(), cache.collections()
    with warnings.catch_warnings(action="ignore", category=StagecacheWarning):  # it is told below
        shared = cache.shared_stats()
    if as_json:
        print_json(
            {
                "directory": cache.directory,
                **stats._asdict(),
                "max_size": bound.max_size if bound else None,
                "eviction": bound.eviction if bound else None,
                "shared": shared._asdict() if shared else None,
                "memory": cache.memory_stats()._asdict(),
                "collections": [each._asdict() for each in collections],
                "stages": [stage._asdict() for stage in stages],
                "runs": [run._asdict() for run in runs],
            }
        )
        return
    now = time.time()
    bounds = ""
    if bound is not None and bound.max_size is not None:
        bounds = f" of at most {size(bound.max_size)} (eviction: {bound.eviction})"
    damaged = f", {stats.quarantined} damaged" if stats.quarantined else ""
    print_text(f"{cache.directory}: {stats.entries} results, {size(stats.bytes)}{bounds}{damaged}")
    if shared is not None:
        print_text(_of_team(shared))
    if stages:
        print_text("")
        print_table(
            ("stage", ">results", ">size", ">uses", ">saved", "last used"),
            [
                (
                    stage.stage,
                    stage.entries,
                    size(stage.bytes),
                    stage.uses,
                    duration(stage.seconds_saved),
                    ago(stage.last_used, now) if stage.last_used else "never",
                )
                for stage in stages
            ],
        )
    if collections:
        print_text("")
        print_table(
            ("collection", "kind", ">items", ">size"),
            [(each.name, each.kind, each.items, size(each.bytes)) for each in collections],
        )
    if runs:
        print_text("")
        print_table(
            ("run", "when", ">took", ">ran", ">hit", ">saved", "failed"),
            [
                (
                    run.pipeline,
                    ago(run.started, now),
                    duration(run.seconds),
                    len(run.ran),
                    run.hit,
                    duration(run.saved),
                    ", ".join(run.failed),
                )
                for run in runs
            ],
        )


def _of_team(shared: SharedStats) -> str:
    """Return a line on what a team shares."""
    words = [f"shared: {shared.entries}"]
    if shared.values != shared.entries:
        words.append(f"large values in {shared.values}")
    words += [f"namespace {shared.namespace}", shared.role]
    words.append("signed" if shared.is_signed else "not signed")
    if shared.takes_pickles:
        words.append("with pickles")
    if shared.refused:
        words.append(f"{shared.refused} not believed")
    if shared.is_out:
        words.append("out of reach (see `stagecache doctor`)")
    return ", ".join(words)
