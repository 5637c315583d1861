"""``stagecache import-diskcache``: brings an old directory of diskcache over."""

from __future__ import annotations

import os
import sys

import click

from stagecache.cli.arguments import WrongArgumentsError
from stagecache.cli.failures import FAILED
from stagecache.cli.output import print_json, print_text


@click.command("import-diskcache")
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False))
@click.option("--to", "target", metavar="DIR", help="Where to; by default beside the old files.")
@click.option("--again", is_flag=True, help="Though it was done before.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_diskcache(directory: str, target: str | None, again: bool, as_json: bool) -> None:
    """Bring the items of an old directory of diskcache over.

    DIR is that of a Cache, Deque, Index or FanoutCache. Nothing in it is changed or run. Items
    whose keys are there already stay as they are, so an import that was interrupted can be begun
    anew. A pickle comes along only if nobody else can have written it: reading it later runs what
    its writer wanted. Exit code 1: something was left behind.
    """
    from stagecache.integrations.diskcache.importing import bring

    directory = os.path.normpath(directory)
    reports = list(bring(directory, target or directory, again=again))
    if not reports:
        raise WrongArgumentsError(f"{directory} holds no cache of diskcache.")
    if as_json:
        caches = [report._asdict() for report in reports]
        print_json({"caches": caches, "whole": all(report.is_whole for report in reports)})
    for report in reports:
        if report.pickles:
            sys.stderr.write(
                f"{report.pickles} items of {report.source} are pickles that somebody else may "
                "have written, and stay behind: others may write there. If you know that nobody "
                f"did, close it (`chmod -R go-w {report.source}`) and import again.\n"
            )
        for problem in report.problems:
            sys.stderr.write(f"{problem}\n")
        if as_json:
            continue
        if report.is_done_before:
            print_text(f"{report.source} was brought over before; --again does it once more")
            continue
        print_text(
            f"{report.source}: {report.brought} items brought to {report.target}, {report.there} "
            f"there already, {report.expired} expired, "
            f"{report.pickles + report.unreadable} left behind"
        )
    if not all(report.is_whole for report in reports):
        sys.exit(FAILED)
