"""Tells running bodies which items of collections are looked at, and which collections change.

What is in them is known by a floor above (``check.answers``). A body that changes a collection has
it for its own use, as a memo: what it looks at there is no input.
"""

from __future__ import annotations

from stagecache.fingerprint.reads.attribution import UNOWNED, owner, running
from stagecache.fingerprint.reads.owners import owners


def tell_looked_at(name: str) -> None:
    """Say that an item is about to be looked at.

    Parameters
    ----------
    name : str
        Of the read.
    """
    if running:
        for one in owners():
            one.seen.looked_at_item(name)


def tell_changed(place: tuple[str, str]) -> None:
    """Say that something was changed in a collection, by a body if it was by a thread of one.

    Parameters
    ----------
    place : tuple of str
        The directory, and the name of the collection.
    """
    if running and owner.get() is not UNOWNED:
        for one in owners():
            one.seen.changed_collection(place)
