"""The keys of memoized calls: equal calls of one function meet, others never do.

A function counts by its code, with all of yours that it reaches and what it closes over. So two
closures of one name do not get each other's results, and an edited function not its old ones.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code import fingerprint_code
from stagecache.memory.argument_keys import keyed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_LATER = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def full_name(fn: Callable[..., Any]) -> str:
    """Return module and name of a function."""
    return f"{fn.__module__}.{fn.__qualname__}"


def call_keys(
    fn: Callable[..., Any],
    name: str | None,
    *,
    typed: bool,
    ignore: Collection[int | str],
) -> Callable[..., tuple[Any, ...]]:
    """Return what makes a key of the arguments of a call of `fn`.

    Parameters
    ----------
    fn : callable
        What is called.
    name : str or None
        What stands for it, whatever its code; None: its name and its code do.
    typed : bool
        Whether 3 and 3.0 differ, as arguments.
    ignore : collection
        Places and names of arguments that do not count.

    Raises
    ------
    TypeError
        If `fn` is a generator or a coroutine function.

    Examples
    --------
    >>> def f(a, b=2): ...
    >>> key = call_keys(f, "f", typed=False, ignore=())
    >>> key(1), key(a=1, b=2), key(1, b=3)
    (('f', (1, 2), ()), ('f', (1, 2), ()), ('f', (1, 3), ()))
    >>> call_keys(f, "f", typed=False, ignore={"b"})(1, 5)
    ('f', (1,), ())
    """
    code = getattr(fn, "__code__", None)
    if code is not None and code.co_flags & _LATER:
        raise TypeError(
            f"{full_name(fn)} gives its results later, one by one or when it is awaited, and they "
            "cannot be kept"
        )
    places = {each for each in ignore if isinstance(each, int)}
    places |= {place for place, each in enumerate(_by_place(fn)) if each in ignore}

    def key(_: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        kept = tuple([arg for place, arg in enumerate(args) if place not in places])
        named = tuple(sorted([pair for pair in kwargs.items() if pair[0] not in ignore]))
        base = (name,) if name is not None else (full_name(fn), fingerprint_code(fn).hex())
        if not typed:
            return (*base, kept, named)
        types = tuple([_type(arg) for arg in (*kept, *[value for _, value in named])])
        return (*base, kept, named, types)

    return keyed(fn, key)


def _by_place(fn: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters that can be given by place."""
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    try:
        found = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):  # some builtins do not tell
        return []
    return [each.name for each in found if each.kind in kinds]


def _type(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
