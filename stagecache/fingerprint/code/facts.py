"""Decides what a function or class says of itself, where code asks it."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.annotated import OF_CLASSES
from stagecache.fingerprint.code.mentions import BELOW, ORDER, REPR, TEXT
from stagecache.fingerprint.code.resolve import MISSING
from stagecache.fingerprint.looking import names_of
from stagecache.fingerprint.origin import is_user_class, is_user_code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

_ANNOTATIONS = frozenset({"__annotations__"})
INTROSPECTION = {
    "inspect.getdoc": frozenset({"__doc__"}),
    "inspect.signature": _ANNOTATIONS,
    "inspect.get_annotations": _ANNOTATIONS,
    "typing.get_type_hints": _ANNOTATIONS,
    "types.get_original_bases": frozenset({"__orig_bases__"}),
}
"""Functions that tell a fact about whatever they are given."""
_OF_CLASSES = frozenset({"__orig_bases__"})


def facts_of(value: Any, facts: AbstractSet[str]) -> Iterator[tuple[str, Any]]:
    """Yield what a function or class says of itself, of the `facts` that are asked for."""
    for fact in sorted(facts - {BELOW}):
        if fact in (TEXT, REPR):
            if isinstance(value, type) and _says_its_name(value, fact):
                yield fact, value.__qualname__
        elif fact == ORDER:
            if isinstance(value, type):
                yield fact, [name for name in names_of(value) if not name.startswith("__")]
        elif fact == "__annotations__" or (fact == OF_CLASSES and isinstance(value, type)):
            for name, annotation in _annotations(value).items():  # their order may be read, too
                yield f"{fact}[{name!r}]", annotation
        elif isinstance(value, type) or not (fact in _OF_CLASSES or fact.endswith(" of a class")):
            yield fact, getattr(value, fact.removesuffix(" of a class"), MISSING)


def _says_its_name(cls: type, fact: str) -> bool:
    """Tell whether objects of a class are called by its name in their texts, by nobody's code.

    What the user wrote in a ``__repr__`` asks for the name itself.
    """
    names = ("__repr__",) if fact == REPR else ("__str__", "__repr__")
    for name in names:
        base = next(base for base in cls.__mro__ if name in names_of(base))
        said = names_of(base)[name]
        if base is object and name == "__str__":  # which gives what __repr__ does
            continue
        kind = getattr(said, "__objclass__", None)
        if kind is not None:  # it is written in C
            return fact == REPR and issubclass(kind, BaseException)
        if fact == TEXT and str(base.__module__).startswith("pydantic."):
            return False
        is_written = isinstance(said, FunctionType) and is_user_code(said.__globals__)
        return not is_user_class(base) or not is_written or is_generated(said)
    return False


def is_generated(fn: FunctionType) -> bool:
    """Tell whether a function was written by dataclasses or attrs for a class of the user's."""
    code = fn.__code__
    return code.co_filename.startswith("<attrs generated ") or "__create_fn__" in code.co_qualname


def _annotations(value: Any) -> dict[str, Any]:
    own = vars(value) if isinstance(value, type) else None
    found = getattr(value, "__annotations__", {}) if own is None else own.get("__annotations__", {})
    return dict(found) if isinstance(found, dict) else {}  # C code has something else there
