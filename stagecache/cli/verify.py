"""``stagecache verify``: whether what is kept is whole and, if asked, still what the code gives."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from stagecache.cli.arguments import WrongArgumentsError, bind
from stagecache.cli.failures import FAILED
from stagecache.cli.output import print_json, print_text, stdout_kept_clear
from stagecache.cli.targets import as_pipeline, load_target

if TYPE_CHECKING:
    from stagecache.engine import Sample

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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(
    target: str | None,
    arguments: tuple[str, ...],
    share: float | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Check every kept result; exit with 1 if something is wrong.

    With --recompute, run some hits of a pipeline again instead, and say which give another
    result; nothing is stored or replaced. Files that the bodies write are written again.
    """
    if (target is None) != (share is None):
        raise WrongArgumentsError("--recompute SHARE and FILE_OR_MODULE:NAME go together.")
    if target is None or share is None:
        is_sound = _check(as_json)
    else:
        is_sound = _run_again(target, arguments, share, seed, as_json)
    if not is_sound:
        sys.exit(FAILED)


def _check(as_json: bool) -> bool:
    from stagecache.cache import current

    cache = current()
    problems = cache.verify()
    if as_json:
        print_json({"directory": cache.directory, "problems": problems})
        return not problems
    entries = cache.stats().entries
    count = f"{len(problems) or 'no'} problem{'s' if len(problems) > 1 else ''}"
    print_text("\n".join([*problems, f"{cache.directory}: {entries} results, {count} found"]))
    return not problems


def _run_again(
    target: str, arguments: tuple[str, ...], share: float, seed: int | None, as_json: bool
) -> bool:
    from stagecache.cache import current

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
