"""Fingerprints code: the running code in a normal form, and everything of the user's it reaches.

``bytecode`` (with ``instructions``, ``layout`` and ``mentions``) brings one code object into its
normal form, and ``forms`` remembers it. ``resolve`` finds what a name stands for, ``lookups`` and
``extensions`` find names that are data; ``reach`` (with ``functions``, ``classes``, ``facts``,
``registries``, ``uncounted``, ``items``, ``held``, ``foreign``, ``edges`` and ``nodes``) follows
them, ``numbering`` makes a digest of what was reached, ``taken`` notices later changes, and
``digest`` gives it. ``filling`` (with ``guards``, ``marking``, ``bindings``, ``lazy`` and
``filled``) finds what bodies fill in objects that code holds. ``settings`` (with
``acts``, ``setters``, ``meanings``, ``statements``, ``programs`` and ``concerns``) finds what
programs have set in libraries. ``manifest`` tells people, ``references`` names classes and
functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.late import late

if TYPE_CHECKING:
    from stagecache.fingerprint.code.digest import (
        complete,
        counted_by,
        describe_code,
        fingerprint_code,
        fingerprint_references,
        kept_by,
        packages_of,
        texts_of,
    )
    from stagecache.fingerprint.code.filling import Filling
    from stagecache.fingerprint.code.references import is_lost, reference_name, resolve_reference

__all__ = [
    "Filling",
    "complete",
    "counted_by",
    "describe_code",
    "fingerprint_code",
    "fingerprint_references",
    "is_lost",
    "kept_by",
    "packages_of",
    "reference_name",
    "resolve_reference",
    "texts_of",
]

# Whoever only imports the package has to know which programs have run, and no more.
_NAMING = ("is_lost", "reference_name", "resolve_reference")
_HOMES = {"Filling": "filling", **dict.fromkeys(_NAMING, "references")}
__getattr__ = late(__name__, {name: f"{__name__}.{_HOMES.get(name, 'digest')}" for name in __all__})
