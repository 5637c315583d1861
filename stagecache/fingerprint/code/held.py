"""Fingerprints the values that code holds: names do not count, for what they name is followed."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.forms import form_of
from stagecache.fingerprint.names import unnamed
from stagecache.fingerprint.scalars import plain_digest

if TYPE_CHECKING:
    from stagecache.fingerprint.values import Fingerprint


def fingerprint_held(value: object) -> Fingerprint:
    """Return the fingerprint of what a global, a default or an attribute holds.

    Raises
    ------
    FingerprintError
        If something in it cannot be taken apart.
    """
    from stagecache.fingerprint.values import fingerprint

    with unnamed(_rank):
        return fingerprint(value)


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
