"""Decides what a function or class says of itself, where code asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.annotated import OF_CLASSES
from stagecache.fingerprint.code.resolve import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

_ANNOTATIONS = frozenset({"__annotations__"})
INTROSPECTION = {
    "inspect.getdoc": frozenset({"__doc__"}),
    "inspect.signature": _ANNOTATIONS,
    "inspect.get_annotations": _ANNOTATIONS,
    "typing.get_type_hints": _ANNOTATIONS,
}
"""Functions that tell a fact about whatever they are given."""


def facts_of(value: Any, facts: AbstractSet[str]) -> Iterator[tuple[str, Any]]:
    """Yield what a function or class says of itself, of the `facts` that are asked for."""
    for fact in sorted(facts):
        if fact == "__annotations__" or (fact == OF_CLASSES and isinstance(value, type)):
            for name, annotation in sorted(_annotations(value).items()):
                yield f"{fact}[{name!r}]", annotation
        elif fact.removesuffix(" of a class") == fact or isinstance(value, type):
            yield fact, getattr(value, fact.removesuffix(" of a class"), MISSING)


def _annotations(value: Any) -> dict[str, Any]:
    own = vars(value) if isinstance(value, type) else None
    found = getattr(value, "__annotations__", {}) if own is None else own.get("__annotations__", {})
    return dict(found)
