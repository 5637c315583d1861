"""``stagecache invalidate``: what was computed before now is not good any more, for everybody."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from stagecache.cli.arguments import WrongArgumentsError
from stagecache.cli.failures import FAILED
from stagecache.cli.keys import wanted_stages
from stagecache.cli.output import print_json, print_text
from stagecache.errors import NotToldError

if TYPE_CHECKING:
    from stagecache.cache import Cache


@click.command()
@click.option("--stage", metavar="STAGE", help="Results of this stage.")
@click.option("--tag", metavar="TAG", help="Results of stages that carry this tag.")
@click.option("--all", "everything", is_flag=True, help="All results.")
@click.option("--soft", is_flag=True, help="Serve old results while one caller computes a new one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def invalidate(
    stage: str | None, tag: str | None, everything: bool, soft: bool, as_json: bool
) -> None:
    """Let results be computed again: of a stage, of a tag, or all.

    It reaches all who share a tier with this machine, and those who are computing just now. STAGE
    may be a short name if something is kept of it here, else module:qualname. The exit code is 1
    if the others could not be told.
    """
    from stagecache.default import current

    if everything == (stage is not None or tag is not None):
        raise WrongArgumentsError("Name a stage or a tag, or say --all.")
    cache = current()
    stages = [] if stage is None else _stages(cache, stage)
    problem = ""
    try:
        cache.invalidate(stage=stages, tag=tag, soft=soft)
    except NotToldError as error:
        problem = str(error)
    if as_json:
        print_json({"stages": stages, "tag": tag, "soft": soft, "told": not problem})
    elif not problem:
        what = [*stages, *([] if tag is None else [f"tag {tag}"])]
        print_text(f"{', '.join(what) or 'everything'}: {'softly ' if soft else ''}invalidated")
    if problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(FAILED)


def _stages(cache: Cache, name: str) -> list[str]:
    """Return the stages that a name means; others may have results of one that is unknown here."""
    return [name] if ":" in name else wanted_stages(cache, name)
