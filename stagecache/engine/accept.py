"""Accepts an edit: results of earlier code are kept as results of the code as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.engine.request import describe_stage, make_key, stage_code
from stagecache.engine.resting import calls_in, moved
from stagecache.engine.variants import note_names, of_the_world, variant
from stagecache.errors import FingerprintError
from stagecache.fingerprint.code import resolve_reference

if TYPE_CHECKING:
    from stagecache.model import Digest, Key, Provenance, Read
    from stagecache.stage import Stage
    from stagecache.stores.tiered import Tiered


def accept(store: Tiered, stage: Stage[..., Any]) -> int:
    """Copy what is kept of `stage` under the keys of its code now; return how many results.

    Of several earlier versions the newest counts. What its code now has computed itself stays.
    Nobody else is given them: that they are the same is this user's word.
    """
    code = stage_code(stage)
    manifest = describe_stage(stage, code)
    count = 0
    for entry, provenance in list(store.entries(stage=stage.qualified_name)):
        if entry.code == code:
            continue
        key = _key(code, provenance)
        sections = store.load(entry)
        if sections is None or store.get(key) is not None:
            continue
        reads = moved(entry.reads, _calls_now(store, entry.reads))
        copy = entry._replace(key=key, code=code, inline=None, blob=None, generation=0, reads=reads)
        world = of_the_world(reads)
        if world:
            note_names(store, key, world)
            aside = variant(key, world)
            store.put_here(
                copy._replace(key=aside), sections, provenance._replace(key=aside), manifest
            )
        store.put_here(copy, sections, provenance._replace(key=key), manifest)
        count += 1
    return count


def _calls_now(store: Tiered, reads: tuple[Read, ...]) -> dict[Key, tuple[Key, Key]]:
    """Return under which keys calls lie that a body made, now that their stages were edited too."""
    found: dict[Key, tuple[Key, Key]] = {}
    for one in calls_in(reads):
        kept = None if one.home else store.listed(one.key)
        if kept is not None:
            try:
                stage: Any = resolve_reference(one.stage)
                key = _key(stage_code(stage), kept[1])
            except (FingerprintError, AttributeError):  # it is found by no name
                continue
            world = of_the_world(kept[0].reads)
            found[one.key] = key, variant(key, world) if world else key
    return found


def _key(code: Digest, provenance: Provenance) -> Key:
    return make_key(code, tuple(argument.digest for argument in provenance.arguments))
