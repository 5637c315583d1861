"""Keys of calls, for ``function_key_generator=``: equal calls meet, others never do.

A key reads as the call does: ``shop.prices:rate('EUR', 3)``. Text, numbers and what is made of
them stand there in full, in a form that tells ``1``, ``1.0``, ``True`` and ``'1'`` apart; anything
else by its fingerprint. Where a name does not say which function it is (in ``__main__``, inside of
another function, a lambda), the code does, with what it closes over.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code import complete, fingerprint_code
from stagecache.fingerprint.values import fingerprint
from stagecache.memory.argument_keys import keyed

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN = frozenset((str, bytes, int, float, bool, type(None)))


def key_generator(
    namespace: Any, fn: Callable[..., Any], to_str: Callable[[Any], str] | None = None
) -> Callable[..., str]:
    """Return what makes the key of a call of `fn`; an object counts by its class and its state.

    Parameters
    ----------
    namespace : object
        Keeps keys apart.
    fn : callable
        What is called. Arguments by name are taken as well, and defaults filled in.
    to_str : callable, optional
        Makes text of each argument, instead of what is done here.

    Raises
    ------
    FingerprintError
        By what is returned, if an argument has no sound fingerprint. It names it.

    Examples
    --------
    >>> def rate(currency, day=1): ...
    >>> key = key_generator(None, rate)
    >>> key("EUR").partition(":")[2], key("EUR") == key(day=1, currency="EUR")
    ("rate('EUR', 1)", True)
    >>> len({key("1", 2), key("1 2"), key(1, 2), key("1", "2"), key(True, 2), key(1.0, 2)})
    6
    """
    return _generator(namespace, fn, to_str, _by_state)


def class_key_generator(
    namespace: Any, fn: Callable[..., Any], to_str: Callable[[Any], str] | None = None
) -> Callable[..., str]:
    """Do as :func:`key_generator`; the object of a method counts by its class alone.

    All objects of one class have the same results then, whatever their state.

    Parameters
    ----------
    namespace, fn, to_str
        As of :func:`key_generator`.
    """
    return _generator(namespace, fn, to_str, _by_class)


def multi_key_generator(
    namespace: Any, fn: Callable[..., Any], to_str: Callable[[Any], str] = str
) -> Callable[..., list[str]]:
    """Return what makes a key for each argument, for ``cache_multi_on_arguments``.

    Parameters
    ----------
    namespace, fn, to_str
        As of :func:`key_generator`.

    Examples
    --------
    >>> def rates(*currencies): ...
    >>> len(set(multi_key_generator(None, rates)("EUR", "CHF", 1, "1", 1.0)))
    5
    """
    name = _name(namespace, fn)
    own = None if to_str is str else to_str

    def generate_keys(*args: Any) -> list[str]:
        begin = name()
        return [f"{begin}({_text(arg, 'a key', own)})" for arg in args]

    return generate_keys


def _generator(
    namespace: Any,
    fn: Callable[..., Any],
    to_str: Callable[[Any], str] | None,
    of_self: Callable[[Any], str],
) -> Callable[..., str]:
    name = _name(namespace, fn)
    try:
        parameters = list(inspect.signature(fn).parameters)
    except (TypeError, ValueError):  # some builtins do not tell
        parameters = ["args", "kwargs"]
    is_method = parameters[:1] in (["self"], ["cls"])

    def key_of(values: tuple[Any, ...], _args: Any, _kwargs: Any) -> str:
        words = [of_self(values[0])] if is_method else []
        rest = slice(len(words), None)
        for value, parameter in zip(values[rest], parameters[rest], strict=True):
            words.append(_text(value, parameter, to_str))
        return f"{name()}({', '.join(words)})"

    generate: Callable[..., str] = keyed(fn, key_of)
    return generate


def _name(namespace: Any, fn: Callable[..., Any]) -> Callable[[], str]:
    """Return what says which function it is; asked at each call, for what it closes over."""
    module, name = getattr(fn, "__module__", ""), getattr(fn, "__qualname__", repr(fn))
    space = "" if namespace is None else f"[{_text(namespace, 'the namespace', None)}]"
    begin = f"{module}:{name}"
    if module == "__main__" or "<" in name:
        return lambda: f"{begin}@{fingerprint_code(fn).hex()}{space}"
    fixed = begin + space
    return lambda: fixed


def _text(value: Any, name: str, to_str: Callable[[Any], str] | None) -> str:
    """Return text that no other value has."""
    if to_str is not None:
        return repr(to_str(value))
    kind = type(value)
    if kind in _PLAIN:
        return repr(value)
    if kind is tuple or kind is list:
        words = ", ".join([_text(each, name, None) for each in value])
        return f"({words},)" if kind is tuple else f"[{words}]"
    if kind is dict:
        pairs = [f"{_text(k, name, None)}: {_text(v, name, None)}" for k, v in value.items()]
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, type):
        return f"<class {value.__module__}.{value.__qualname__}>"
    return f"<{kind.__qualname__} {_print(value, name)}>"


def _by_state(value: Any) -> str:
    if isinstance(value, type):
        return _by_class(value)
    return f"{_by_class(value)} {_print(value, 'self')}"


def _print(value: Any, name: str) -> str:
    """Return the fingerprint of a value, with the code of what it names: a lambda has no name."""
    return complete(fingerprint(value, name=name)).hex()


def _by_class(value: Any) -> str:
    kind = value if isinstance(value, type) else type(value)
    return f"<{kind.__module__}.{kind.__qualname__}>"
