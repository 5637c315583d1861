"""``stagecache ls`` and ``show``: what is kept, one line a result, or one result in full."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from stagecache.cli.keys import wanted_key, wanted_stages
from stagecache.cli.output import ago, print_json, print_table, print_text, size
from stagecache.marks import tags_of
from stagecache.records import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.cache import Cache
    from stagecache.model import Entry, Provenance

KEY_DIGITS = 12


@click.command("ls")
@click.argument("stage", required=False)
@click.option("--tag", metavar="TAG", help="Only results that --tag TAG invalidates.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_entries(stage: str | None, tag: str | None, limit: int, as_json: bool) -> None:
    """List what is kept, newest first.

    Of all stages, or of STAGE. With --tag, of those whose stage carried it, or whose bodies called
    one that did.
    """
    from stagecache.default import current

    found = list(_entries(current(), stage, tag, limit))
    if as_json:
        print_json({"entries": [_plain(entry, provenance) for entry, provenance in found]})
        return
    now = time.time()
    print_table(
        ("key", "stage", ">size", ">took", ">made", "arguments"),
        [
            (
                entry.key.hex()[:KEY_DIGITS],
                entry.stage.rpartition(":")[2],
                size(entry.size),
                duration(entry.seconds),
                ago(entry.created, now),
                ", ".join(f"{a.name}={a.label}" for a in provenance.arguments),
            )
            for entry, provenance in found
        ],
    )


@click.command()
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(key: str, as_json: bool) -> None:
    """Show one kept result in full.

    KEY may be cut short, as `ls` prints it.
    """
    from stagecache.default import current

    cache = current()
    wanted = wanted_key(cache, key)
    found = cache.listed(wanted)
    if found is None:  # forgotten by another process just now
        raise click.ClickException(f"{wanted.hex()} is not kept any more")
    entry, provenance = found
    plain = _plain(entry, provenance)
    if as_json:
        print_json(plain)
        return
    plain |= {
        "size": size(entry.size),
        "seconds": duration(entry.seconds),
        "created": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.created)),
    }
    lines = [f"{name:<10} {value}" for name, value in plain.items() if name not in _LISTS]
    for name in _LISTS:
        lines += [f"{name:<10} {item}" for item in map(_line, plain[name])]
    print_text("\n".join(lines))


_LISTS = ("arguments", "reads", "refs", "tags")


def _entries(
    cache: Cache, stage: str | None, tag: str | None, limit: int
) -> Iterator[tuple[Entry, Provenance]]:
    for name in [None] if stage is None else wanted_stages(cache, stage):
        if tag is None:
            yield from cache.entries(stage=name, limit=limit)
        else:
            kept = cache.entries(stage=name)
            yield from islice((pair for pair in kept if tag in tags_of(pair[0])), limit)


def _plain(entry: Entry, provenance: Provenance) -> dict[str, Any]:
    return {
        "key": entry.key.hex(),
        "stage": entry.stage,
        "size": entry.size,
        "seconds": entry.seconds,
        "created": entry.created,
        "codec": entry.codec,
        "place": _place(entry),
        "result": entry.result.hex(),
        "code": entry.code.hex(),
        "host": provenance.host,
        "pid": provenance.pid,
        "python": provenance.python,
        "arguments": [
            {"name": a.name, "label": a.label, "digest": a.digest.hex()}
            for a in provenance.arguments
        ],
        "reads": [{"kind": r.kind, "name": r.shown} for r in entry.reads],
        "refs": list(entry.refs),
        "tags": tags_of(entry),
    }


def _place(entry: Entry) -> str:
    if entry.inline is not None:
        return "index"
    return "evicted" if entry.blob is None else f"blob {entry.blob.hex()}"


def _line(item: Any) -> str:
    if isinstance(item, str):
        return item
    if "label" in item:
        return f"{item['name']} = {item['label']}"
    return f"{item['kind']} {item['name']}"
