"""Accepts an edit: results of earlier code are kept as results of the code as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.engine.lookup import note_names, variant
from stagecache.engine.request import describe_stage, make_key, stage_code

if TYPE_CHECKING:
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
        key = make_key(code, tuple(argument.digest for argument in provenance.arguments))
        sections = store.load(entry)
        if sections is None or store.get(key) is not None:
            continue
        copy = entry._replace(key=key, code=code, inline=None, blob=None, generation=0)
        if entry.reads:
            note_names(store, key, entry.reads)
            aside = variant(key, entry.reads)
            store.put_here(
                copy._replace(key=aside), sections, provenance._replace(key=aside), manifest
            )
        store.put_here(copy, sections, provenance._replace(key=key), manifest)
        count += 1
    return count
