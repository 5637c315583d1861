"""``stagecache gc`` and ``forget``: what is removed as nobody refers to it, as old, or by name."""

from __future__ import annotations

import sys

import click

from stagecache.cli.arguments import WrongArgumentsError
from stagecache.cli.failures import FAILED
from stagecache.cli.keys import wanted_keys, wanted_stages
from stagecache.cli.output import print_json, print_text, size


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--max-size", metavar="SIZE", help="Let values give way down to this, 2GB say.")
@click.option(
    "--older-than", metavar="AGE", help="Forget results neither made nor used so long, 30d say."
)
@click.option("--stage", metavar="STAGE", help="Forget results of this stage.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def gc(
    dry_run: bool, max_size: str | None, older_than: str | None, stage: str | None, as_json: bool
) -> None:
    """Remove what no result refers to, and results as asked.

    Orphan blobs and the leftovers of killed processes go in any case, and what is beyond the
    directory's bound. With --stage and --older-than, only the old results of the stage.
    """
    from stagecache.default import current

    cache = current()
    report = cache.gc(
        dry_run=dry_run,
        max_size=max_size,
        older_than=older_than,
        stage=None if stage is None else wanted_stages(cache, stage),
    )
    if as_json:
        print_json(report._asdict())
    else:
        verb = "would be removed" if dry_run else "removed"
        print_text(
            f"{report.results} results, {report.values} values, {report.blobs} blobs, "
            f"{report.temporary} temporary files, {report.trash} replaced blobs, "
            f"{size(report.bytes)}: {verb}"
        )
    if not report.is_done:
        sys.exit(FAILED)


@click.command()
@click.argument("names", metavar="[STAGE_OR_KEY]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Forget all that is kept.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def forget(names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Forget results: of stages, by key, or all.

    A key may be cut short, as `ls` prints it.
    """
    from stagecache.default import current

    if everything == bool(names):
        raise WrongArgumentsError("Name stages or keys to forget, or say --all.")
    cache = current()
    if everything:
        forgotten = cache.clear()
    else:
        keys = dict.fromkeys(key for name in names for key in wanted_keys(cache, name))
        forgotten = cache.forget(keys)
    if as_json:
        print_json({"forgotten": forgotten})
    else:
        print_text(f"{forgotten} results forgotten")
