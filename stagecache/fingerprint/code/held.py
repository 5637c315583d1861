"""Fingerprints the values that code holds: names do not count, for what they name is followed."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.fingerprint.code.classes import changed_by_methods
from stagecache.fingerprint.code.foreign import is_inert_kind
from stagecache.fingerprint.code.forms import form_of
from stagecache.fingerprint.code.items import (
    AS_BEFORE,
    contents_of,
    counted_in,
    state_before,
    without_items,
)
from stagecache.fingerprint.code.living import IN_MEMORY, is_database, standing_for
from stagecache.fingerprint.derived import ABSENT, undone
from stagecache.fingerprint.names import LeavingOut, unnamed
from stagecache.fingerprint.scalars import plain_digest

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from stagecache.fingerprint.values import Fingerprint


class Held(NamedTuple):
    """What something that code holds came to."""

    fingerprint: Fingerprint
    left_out: list[str]
    """What does not count of it, and why."""
    has_database: bool
    """Whether there is one inside of it that no file is behind."""


def fingerprint_held(
    value: Any, name: str = "value", parts: AbstractSet[str] = frozenset()
) -> Held:
    """Return the fingerprint of what a global, a default or an attribute holds.

    A lock inside of it is left out; the rest counts, and of a database that which is in it.

    Parameters
    ----------
    value : object
        What is held.
    name : str, optional
        What to call it.
    parts : set of str, optional
        The items or attributes of it that code fills, which do not count.

    Raises
    ------
    FingerprintError
        If it cannot be taken apart itself.

    Returns
    -------
    Held
        With what is left out and might matter.
    """
    from stagecache.fingerprint.values import fingerprint

    databases: list[Any] = []

    def standing_in(inner: Any) -> Any:
        if not is_database(inner):
            return None
        databases.append(inner)
        found = None if IN_MEMORY in parts else standing_for(inner)
        return None if found is inner else found

    leaving_out = LeavingOut(changed_by_methods, standing_in)
    places = {}
    taken = value
    if parts and AS_BEFORE not in parts and not is_database(value):
        if issubclass(type(value), dict):
            taken = without_items(value, parts)
        else:
            counted = {item: held for item, held in counted_in(value).items() if item not in parts}
            names = {*contents_of(value), *counted}
            places = {(id(value), item): counted.get(item, ABSENT) for item in names}
    elif not parts:
        taken = standing_for(value)
    with unnamed(_rank, leaving_out), undone(places):
        found = fingerprint(taken, name=name)
    if AS_BEFORE in parts:
        found = found._replace(digest=state_before(value, found.digest))
    left_out = [text for kind, text in leaving_out.problems if not is_inert_kind(kind)]
    return Held(found, left_out, bool(databases))


def _rank(ref: Any) -> bytes:
    """Order functions and classes in a set by their own code, as far as that tells them apart."""
    if isinstance(ref, FunctionType):
        cells = [plain_digest(cell.cell_contents) or b"" for cell in _full(ref)]
        return form_of(ref.__code__).digest + b"".join(cells) + ref.__qualname__.encode()
    methods = [value for value in vars(ref).values() if isinstance(value, FunctionType)]
    forms = sorted(form_of(method.__code__).digest for method in methods)
    return b"".join(forms) + str(getattr(ref, "__qualname__", "")).encode()


def _full(fn: FunctionType) -> list[Any]:
    found = []
    for cell in fn.__closure__ or ():
        try:
            cell.cell_contents  # noqa: B018 - an empty one raises
        except ValueError:
            continue
        found.append(cell)
    return found
