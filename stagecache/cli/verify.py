"""``stagecache verify``: whether what is kept is whole and, if asked, still what the code gives."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from stagecache.cli.arguments import WrongArgumentsError, bind
from stagecache.cli.failures import FAILED
from stagecache.cli.output import print_json, print_text, size, stdout_kept_clear
from stagecache.cli.progress import progress_bar
from stagecache.cli.targets import as_pipeline, load_target
from stagecache.records import duration

if TYPE_CHECKING:
    from stagecache.engine.recompute import Sample
    from stagecache.stores.reports import Checked, Problem

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as shells have it."""
_ADVICE = (
    "A stage that gives another result for equal inputs uses time, randomness or state that is no "
    "argument. Pass that as an argument, or seed it."
)


def _share(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """Return a share such as ``5%`` or ``0.05`` as a number above 0, at most 1."""
    if text is None:
        return None
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise click.BadParameter(
            f"{text!r} is no share: say 5% or 0.05, at most 100%.", context, parameter
        )
    return share


@click.command()
@click.argument("target", metavar="[FILE_OR_MODULE:NAME", required=False)
@click.argument("arguments", metavar="[NAME=VALUE]...]", nargs=-1)
@click.option(
    "--recompute", "share", callback=_share, metavar="SHARE",
    help="Run this share of the target's hits again, 5% say, and compare.",
)  # fmt: skip
@click.option("--seed", type=int, help="Chooses which hits; by default by chance.")
@click.option(
    "--repair", is_flag=True, help="Set aside what is damaged, so that it is computed again."
)
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(
    target: str | None,
    arguments: tuple[str, ...],
    share: float | None,
    seed: int | None,
    repair: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Check every kept result; exit with 1 if something is wrong, and was not repaired.

    With --recompute, run some hits of a pipeline again instead, and say which give another
    result; nothing is stored or replaced. Files that the bodies write are written again.
    """
    if (target is None) != (share is None):
        raise WrongArgumentsError("--recompute SHARE and FILE_OR_MODULE:NAME go together.")
    if repair and target is not None:
        raise WrongArgumentsError("--repair goes without --recompute, which replaces nothing.")
    if target is None or share is None:
        is_sound = _check(repair, quiet, as_json)
    else:
        is_sound = _run_again(target, arguments, share, seed, as_json)
    if not is_sound:
        sys.exit(FAILED)


def _check(repair: bool, quiet: bool, as_json: bool) -> bool:
    from stagecache.default import current
    from stagecache.stores.reports import Checked

    cache = current()
    start = time.perf_counter()
    checked = Checked(0, 0, 0, 0, 0, 0, 0.0)
    with progress_bar(not (quiet or as_json)) as show:

        def note(now: Checked) -> None:
            nonlocal checked
            checked = now
            show(now.share, _what(now))

        try:
            problems = cache.verify(repair=repair, progress=note)
        except KeyboardInterrupt:
            problems = None
    if problems is None:
        sys.stderr.write(
            f"Stopped at {checked.share:.0%}: {_what(checked)} checked, "
            f"{_count(checked.problems)} so far.\n"
        )
        sys.exit(INTERRUPTED)
    seconds = time.perf_counter() - start
    if as_json:
        print_json(
            {
                "directory": cache.directory,
                "results": checked.results,
                "parts": checked.parts,
                "items": checked.items,
                "blobs": checked.blobs,
                "bytes": checked.bytes,
                "seconds": seconds,
                "problems": [_plain(problem) for problem in problems],
            }
        )
    else:
        found = (
            f"{cache.directory}: {_what(checked)} checked in {duration(seconds)}: "
            f"{_count(len(problems))} found"
        )
        print_text("\n".join([*map(str, problems), found]))
    return all(problem.repaired for problem in problems)


def _what(checked: Checked) -> str:
    counts = {
        "results": checked.results,
        "parts": checked.parts,
        "items": checked.items,
        "blobs": checked.blobs,
    }
    shown = [f"{n} {name}" for name, n in counts.items() if n or name in ("results", "blobs")]
    return ", ".join([*shown, size(checked.bytes)])


def _count(problems: int) -> str:
    return f"{problems or 'no'} problem{'s' if problems > 1 else ''}"


def _plain(problem: Problem) -> dict[str, object]:
    return {
        "kind": problem.kind,
        "stage": problem.stage,
        "key": None if problem.key is None else problem.key.hex(),
        "blob": None if problem.blob is None else problem.blob.hex(),
        "detail": problem.detail,
        "repaired": problem.repaired,
    }


def _run_again(
    target: str, arguments: tuple[str, ...], share: float, seed: int | None, as_json: bool
) -> bool:
    from stagecache.default import current

    with stdout_kept_clear(as_json):
        found = load_target(target)
        args, kwargs = bind(found, arguments)
        sample = current().recompute(as_pipeline(found), args, kwargs, share=share, seed=seed)
    if as_json:
        print_json({**sample._asdict(), "nodes": [node._asdict() for node in sample.nodes]})
    else:
        print_text(_in_words(sample))
    return sample.is_sound


def _in_words(sample: Sample) -> str:
    wrong = [node for node in sample.nodes if node.status != "same"]
    differ = sum(node.status == "differs" for node in wrong)
    lines = [
        f"{sample.pipeline}: {len(sample.nodes)} of {sample.hits} hits run again, {differ} differ "
        f"(--seed {sample.seed})"
    ]
    for node in wrong:
        lines.append(f"  {node.node}: {node.status}")
        lines += [f"    {line}" for line in node.detail.splitlines()]
    return "\n".join([*lines, *([_ADVICE] if differ else [])])
