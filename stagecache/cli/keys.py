"""Finds the kept results that a person means by a stage's name or the beginning of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.cli.targets import nearest
from stagecache.errors import UnknownNameError

if TYPE_CHECKING:
    from stagecache.cache import Cache
    from stagecache.model import Key

SHORTEST_PREFIX = 4


class AmbiguousKeyError(LookupError):
    """The beginning of a key is that of several."""


def stages_named(cache: Cache, name: str) -> list[str]:
    """Return the qualified names of the stages called `name`, in full or after the colon.

    A script's stage is kept under ``__main__`` and under its module: a short name means both.
    """
    kept = [stats.stage for stats in cache.stages()]
    return [stage for stage in kept if name in (stage, stage.rpartition(":")[2])]


def wanted_stages(cache: Cache, name: str) -> list[str]:
    """Do as :func:`stages_named`, but let there be one.

    Raises
    ------
    UnknownNameError
        If nothing is kept of such a stage.
    """
    found = stages_named(cache, name)
    if not found:
        raise UnknownNameError(f"Nothing is kept of a stage `{name}`.{_near(cache, name)}")
    return found


def wanted_keys(cache: Cache, text: str) -> list[Key]:
    """Return all keys of the stage of that name, else the one key that begins so.

    Raises
    ------
    UnknownNameError
        If there is no such stage and no such key.
    AmbiguousKeyError
        If several keys begin so.
    """
    stages = stages_named(cache, text)
    if stages:
        return [entry.key for stage in stages for entry, _ in cache.entries(stage=stage)]
    return [wanted_key(cache, text)]


def wanted_key(cache: Cache, prefix: str) -> Key:
    """Return the one key whose hexadecimal form begins with `prefix`.

    Raises
    ------
    UnknownNameError
        If there is none, or the prefix is too short to mean one.
    AmbiguousKeyError
        If there are several.
    """
    is_hex = all(digit in "0123456789abcdef" for digit in prefix.lower())
    if not is_hex or len(prefix) < SHORTEST_PREFIX:
        raise UnknownNameError(
            f"`{prefix}` is no stage of which anything is kept, and no beginning of a key "
            f"({SHORTEST_PREFIX} digits or more, see `stagecache ls`).{_near(cache, prefix)}"
        )
    found = cache.find(prefix.lower())
    if not found:
        raise UnknownNameError(f"No key begins with {prefix}; see `stagecache ls`.")
    if len(found) > 1:
        keys = ", ".join(key.hex()[: len(prefix) + 4] for key in found[:5])
        raise AmbiguousKeyError(f"{len(found)} keys begin with {prefix}: {keys}")
    return found[0]


def _near(cache: Cache, name: str) -> str:
    return nearest(name, [stats.stage.rpartition(":")[2] for stats in cache.stages()])
