"""Takes any other object apart as pickle would: by what it says it can be built again from."""

from __future__ import annotations

import copyreg
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.containers import at_index, at_key, pairs
from stagecache.fingerprint.derived import without_derived
from stagecache.fingerprint.names import current_rank, name_of, shown, versioned
from stagecache.fingerprint.origin import is_user_module
from stagecache.fingerprint.parts import COUNT, Parts, Refused, framed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ONCE = "it can be read only once, and a hit would not read it"
_PROBLEMS = {
    "generator": _ONCE,
    "coroutine": "it has no value before it is awaited",
    "async_generator": _ONCE,
}
_NEW: Any = vars(copyreg)["__newobj__"]
_GETSTATE: Any = object.__getstate__
_TEXT = {str}
_ITERATORS = ("builtins", "itertools")


def take_object(value: Any) -> Parts:
    """Take an object apart by ``__reduce_ex__``: class, arguments, state, elements.

    Raises
    ------
    Refused
        If it cannot be: a socket, a lock, an open file, a generator.
    """
    kind = type(value)
    if kind.__module__ in _ITERATORS and hasattr(kind, "__next__"):
        raise Refused(f"{shown(kind)}: {_ONCE}", "Pass a list of what it yields.")
    reduced = _reduce(value, kind)
    if isinstance(reduced, str):
        return _take_global(value, reduced)
    if reduced[0] is _NEW and reduced[1] == (kind,) and reduced[3:] == (None, None):
        state = _state_of(value, kind, reduced[2])
        if _is_attributes(kind, state):
            return _take_attributes(kind, state)
    name, ref = name_of(kind)
    build, arguments, state, elements, items, setter = (*reduced, None, None, None, None)[:6]
    state = _state_of(value, kind, state)
    children: list[Any] = []
    labels: list[tuple[int, Callable[[int], str]]] = []

    def add(values: Iterable[Any], label: Callable[[int], str]) -> bytes:
        start = len(children)
        children.extend(values)
        labels.append((start, label))
        return COUNT(len(children) - start)

    def label(index: int) -> str:
        return next(show(index - start) for start, show in reversed(labels) if start <= index)

    if build is _NEW and arguments[0] is kind:
        counts = b"new" + add(arguments[1:], at_index)
    else:
        counts = b"by " + add([build, *arguments], lambda at: at_index(at - 1) if at else "")
    for attributes in _states(state):
        if _is_attributes(kind, attributes):
            # The order in which attributes were first set is no data.
            names = sorted(attributes)
            counts += b"attributes" + framed(*names)
            add([attributes[name] for name in names], _attribute(names))
        else:
            counts += b"state" + add([attributes], lambda _: ".__getstate__()")
    flat = pairs(items or ())
    counts += b"elements" + add(elements or (), at_index)
    counts += b"items" + add(flat, at_key(flat))
    counts += b"setter" + add([setter] * (setter is not None), lambda _: ".__setstate__")
    return Parts(b"object:" + name + framed(counts), children, ref=ref, label=label)


def _state_of(value: Any, kind: type, state: Any) -> Any:
    """Return what counts of a state; an empty ``__dict__`` is none: to look at it makes one."""
    counted = without_derived(value, kind, state)
    return None if type(counted) is dict and not counted else counted


def _take_attributes(kind: type, state: dict[str, Any]) -> Parts:
    """Take the most common object: a class of Python's with nothing but attributes."""
    names = sorted(state)
    head, ref = _head(kind, tuple(names), is_named=current_rank() is None)
    return Parts(head, [state[name] for name in names], ref=ref, label=_attribute(names))


@lru_cache(maxsize=1024)
def _head(
    kind: type,
    names: tuple[str, ...],
    *,
    is_named: bool,  # noqa: ARG001 - part of what is remembered
) -> tuple[bytes, object]:
    name, ref = name_of(kind)
    return b"attributes:" + name + framed(*names), ref


def _is_attributes(kind: type, state: Any) -> bool:
    """Tell whether `state` was not worded by the class itself, so that its order is no data."""
    worded: Any = getattr(kind, "__getstate__", None)
    return type(state) is dict and worded is _GETSTATE and set(map(type, state)) <= _TEXT


def _attribute(names: list[str]) -> Callable[[int], str]:
    return lambda at: f".{names[at]}"


def _reduce(value: Any, kind: type) -> Any:
    reducer = copyreg.dispatch_table.get(kind)
    try:
        reduced = value.__reduce_ex__(4) if reducer is None else reducer(value)
    except Exception as error:
        problem = _PROBLEMS.get(kind.__name__, f"it cannot be taken apart ({error})")
        raise Refused(f"{shown(kind)}: {problem}") from error
    if isinstance(reduced, str) or (isinstance(reduced, tuple) and 2 <= len(reduced) <= 6):
        return reduced
    raise Refused(f"{shown(kind)}: its __reduce_ex__ returns {type(reduced).__name__}")


def _states(state: Any) -> tuple[Any, ...]:
    """Return the state of ``__dict__`` and, if there is one, that of ``__slots__``."""
    if type(state) is tuple and len(state) == 2 and type(state[1]) is dict:
        return state
    return (state,)


def _take_global(value: Any, name: str) -> Parts:
    """Take what pickle keeps by the name of a global, such as a ufunc."""
    kind = type(value)
    named, ref = name_of(kind)
    if ref is not None:  # a user's singleton: its state counts, as of any object
        state = object.__getstate__(value)
        return Parts(
            b"singleton:" + named + framed(name), (state,), ref=ref, label=lambda _: ".__dict__"
        )
    home = _home(value, name, kind)
    if home is None:
        raise Refused(f"{shown(kind)}: nothing is known of it but the name {name}")
    return Parts(b"global:" + named + framed(home, versioned(home, name)))


def _home(value: Any, name: str, kind: type) -> str | None:
    """Return the package in which `name` means `value`: its type's before any other."""
    own = kind.__module__.partition(".")[0]
    likely = (getattr(value, "__module__", None), kind.__module__, own)
    candidates = [sys.modules.get(str(module)) for module in likely]
    if any(_leads_to(module, name, value) for module in candidates):
        return own
    found = {
        module_name.partition(".")[0]
        for module_name, module in list(sys.modules.items())
        if _leads_to(module, name, value) and not is_user_module(module_name)
    }
    return own if own in found else min(found, default=None)


def _leads_to(module: Any, name: str, value: Any) -> bool:
    for part in name.split("."):
        module = getattr(module, part, None)
    return module is value
