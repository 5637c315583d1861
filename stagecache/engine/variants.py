"""Where results of one call lie whose bodies found other files: under keys made of what they found.

Which names to look at is remembered, as in ccache's manifests
(https://ccache.dev/manual/latest.html, "The direct mode").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_digest

from stagecache.fingerprint.reads.check import brought, digest_now
from stagecache.model import Digest, Key, Read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stagecache.stores.tiered import Tiered

_MOST_VARIANTS = 16
_KIND = "reads"
Names = list[list[str]]
"""Kinds and names of reads."""


def of_the_world(reads: Sequence[Read]) -> Sequence[Read]:
    """Return the reads of an entry that say where it lies: all but results of other stages.

    These come last.
    """
    if not reads or reads[-1].kind != "results":
        return reads
    if reads[0].kind == "results":
        return ()
    return [read for read in reads if read.kind != "results"]


def results_among(reads: tuple[Read, ...]) -> tuple[Read, ...]:
    """Return the others."""
    if not reads or reads[-1].kind != "results":
        return ()
    if reads[0].kind == "results":
        return reads
    return tuple([read for read in reads if read.kind == "results"])


def variant(key: Key, reads: Iterable[Read]) -> Key:
    """Return the key of the result under `key` whose body found `reads`."""
    parts: list[bytes] = [key]
    for kind, name, digest in reads:
        # A file that is not there is a file with another digest.
        text = f"{'file' if kind == 'missing' else kind}\0{name}"
        encoded = text.encode(errors="surrogateescape")
        parts += [len(encoded).to_bytes(4, "little"), encoded, digest]
    return Key(xxh3_128_digest(b"stagecache variant 1" + b"".join(parts)))


def variant_now(key: Key, names: Names) -> Key:
    """Return the key of the result under `key` whose body found what these names hold now."""
    return variant(key, [_now(kind, name) for kind, name in names])


def names_of(reads: Iterable[Read]) -> Names:
    """Return what a body looked at."""
    return [[read.kind, read.name] for read in reads]


def known_names(store: Tiered, key: Key) -> list[Names]:
    """Return what bodies looked at whose results lie under `key` or beside it, newest first."""
    import json

    found = store.recall(_KIND, key)
    return [] if found is None else json.loads(found)


def note_names(store: Tiered, key: Key, reads: Sequence[Read]) -> None:
    """Remember which names the body of a result under `key` read."""
    import json

    names = names_of(reads)
    known = [names, *(other for other in known_names(store, key) if other != names)]
    store.remember(_KIND, key, json.dumps(known[:_MOST_VARIANTS]).encode())


def modules_brought(store: Tiered, key: Key) -> set[str]:
    """Return the modules that bodies under `key` asked for and that only looks have imported.

    A body that finds them among those that are imported does not ask any more, and has them.
    """
    if not brought:
        return set()
    named = (each for names in known_names(store, key) for each in names)
    return {name for kind, name in named if kind == "module" and name.partition(":")[0] in brought}


def _now(kind: Any, name: str) -> Read:
    read = Read(kind, name, Digest(b""))
    return read._replace(digest=digest_now(read))
