"""``stagecache gc`` and ``forget``: what is removed because nobody refers to it, or by name."""

from __future__ import annotations

import click

from stagecache.cli.arguments import WrongArgumentsError
from stagecache.cli.keys import wanted_keys
from stagecache.cli.output import print_json, print_text, size


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def gc(dry_run: bool, as_json: bool) -> None:
    """Remove what no result refers to.

    Orphan blobs and the leftovers of killed processes; never a result.
    """
    from stagecache.cache import current

    report = current().gc(dry_run=dry_run)
    if as_json:
        print_json(report._asdict())
        return
    verb = "would be removed" if dry_run else "removed"
    print_text(
        f"{report.blobs} blobs, {report.temporary} temporary files, {report.trash} replaced "
        f"blobs, {size(report.bytes)}: {verb}"
    )


@click.command()
@click.argument("names", metavar="[STAGE_OR_KEY]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Forget all that is kept.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def forget(names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Forget results: of stages, by key, or all.

    A key may be cut short, as `ls` prints it.
    """
    from stagecache.cache import current

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
