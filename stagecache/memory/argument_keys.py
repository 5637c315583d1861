"""Turns the arguments of a call into a key of a dict: equal calls meet, others never do.

Binding is left to the interpreter: a function is made whose parameters are those of the function
that is called, and which returns what it was given. That takes a tenth of a microsecond.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.model import Digest

_VARARGS, _VARKEYWORDS = 0x04, 0x08


class Argument(NamedTuple):
    """A parameter as it stands in a definition."""

    name: str
    mark: str
    """``/`` (by position only), empty, ``*``, ``k`` (by name only) or ``**``."""
    has_default: bool = False


def keyed(
    fn: Callable[..., Any],
    answer: Callable[..., Any],
    *,
    typed: bool = False,
    is_async: bool = False,
) -> Callable[..., Any]:
    """Return a function with the parameters of `fn` that passes a call on, with its key.

    Parameters
    ----------
    fn : callable
        Whose defaults are filled in, so that ``f(1)`` and ``f(x=1)`` have one key. What has no
        signature to be known tells arguments by position and by name apart.
    answer : callable
        Takes the key (a tuple), the positional arguments and those by name, and returns what the
        call returns.
    typed : bool, optional
        Whether 3 and 3.0 differ, as arguments; inside of containers they do not.
    is_async : bool, optional
        Whether `answer` is to be awaited, so that an ``async def`` is returned.

    Examples
    --------
    >>> def f(a, b=2, *rest, c=3, **more): ...
    >>> call = keyed(f, lambda key, args, kwargs: (key, args, kwargs))
    >>> call(1, c=4)
    ((1, 2, (), 4, ()), (1, 2), {'c': 4})
    >>> call(1, 2, 5, z=0, y=1)
    ((1, 2, (5,), 3, (('y', 1), ('z', 0))), (1, 2, 5), {'c': 3, 'z': 0, 'y': 1})
    """
    found = _arguments_of(fn)
    if found is None:
        found = [Argument("a", "*"), Argument("k", "**")], (), {}
    arguments, defaults, keyword_defaults = found
    define, give = ("async def", "return await") if is_async else ("def", "return")
    source = (
        f"{define} call({_definition(arguments)}):\n"
        f" {give} _sc_answer(({_key(arguments, typed)}), {_passed_on(arguments)})"
    )
    builtins = (tuple, type, map, sorted)  # a parameter may have the name of one
    scope: dict[str, Any] = {f"_sc_{each.__name__}": each for each in builtins}
    scope |= {"_sc_answer": answer, "_sc_none": {}}
    # Parameters are identifiers already, and nothing else of the user's gets into the source.
    exec(source, scope)  # noqa: S102
    call: FunctionType = scope["call"]
    call.__defaults__ = defaults or None
    call.__kwdefaults__ = keyword_defaults or None
    # What does not fit is refused in the words of Python, under the user's name.
    call.__name__ = getattr(fn, "__name__", "call")
    call.__qualname__ = getattr(fn, "__qualname__", call.__name__)
    return call


def without_first(key: tuple[Any, ...], args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a key of :func:`keyed` without the first argument: the object of a method.

    Examples
    --------
    >>> without_first((7, 1), (7, 1)), without_first(((7, 1), ()), (7, 1))
    ((1,), ((1,), ()))
    """
    if key[0] is args[0]:
        return key[1:]
    return (key[0][1:], *key[1:])  # it is the first of ``*args``


class Printed:
    """Stands in a key for a value that has no hash: its fingerprint."""

    __slots__ = ("digest", "refs")

    def __init__(self, digest: Digest, refs: tuple[object, ...]) -> None:
        self.digest = digest
        self.refs = refs

    def __eq__(self, other: object) -> bool:
        if type(other) is not Printed:
            return NotImplemented
        return self.digest == other.digest and self.refs == other.refs

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"<value {self.digest.hex()[:8]}>"


def hashable(part: Any, name: str) -> Any:
    """Return `part` of a key, with a fingerprint in place of whatever in it has no hash.

    Parameters
    ----------
    part : object
        A tuple is gone into.
    name : str
        What errors call it.

    Raises
    ------
    FingerprintError
        If something has neither a hash nor a fingerprint.

    Examples
    --------
    >>> hashable((1, [2]), "x") == hashable((1, [2]), "x") != hashable((1, [3]), "x")
    True
    """
    try:
        hash(part)
    except TypeError:
        if type(part) is tuple:
            return tuple([hashable(each, name) for each in part])
        from stagecache.fingerprint.values import fingerprint

        found = fingerprint(part, name=name)
        return Printed(found.digest, found.refs)
    return part


def _arguments_of(
    fn: Callable[..., Any],
) -> tuple[list[Argument], tuple[Any, ...], dict[str, Any]] | None:
    """Return the parameters, their defaults in order, and those of parameters by name only."""
    if isinstance(fn, FunctionType):
        defaults, keyword_defaults = fn.__defaults__ or (), fn.__kwdefaults__ or {}
        return list(_of_code(fn, len(defaults), keyword_defaults)), defaults, keyword_defaults
    import inspect

    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):  # some builtins do not tell
        return None
    marks = dict(zip(inspect._ParameterKind, ("/", "", "*", "k", "**"), strict=True))
    arguments = [
        Argument(each.name, marks[each.kind], each.default is not each.empty) for each in parameters
    ]
    given = [each for each in parameters if each.default is not each.empty]
    return (
        arguments,
        tuple([each.default for each in given if marks[each.kind] != "k"]),
        {each.name: each.default for each in given if marks[each.kind] == "k"},
    )


def _of_code(fn: FunctionType, defaults: int, by_name: dict[str, Any]) -> Iterator[Argument]:
    code = fn.__code__
    names, positional = code.co_varnames, code.co_argcount
    end = positional + code.co_kwonlyargcount
    for index, name in enumerate(names[:positional]):
        mark = "/" if index < code.co_posonlyargcount else ""
        yield Argument(name, mark, index >= positional - defaults)
    if code.co_flags & _VARARGS:
        yield Argument(names[end], "*")
    for name in names[positional:end]:
        yield Argument(name, "k", name in by_name)
    if code.co_flags & _VARKEYWORDS:
        yield Argument(names[end + bool(code.co_flags & _VARARGS)], "**")


def _definition(arguments: list[Argument]) -> str:
    words = []
    last = ""
    for name, mark, has_default in arguments:
        if last == "/" and mark != "/":
            words.append("/")
        if mark == "k" and last not in ("*", "k"):
            words.append("*")
        words.append((mark if mark in ("*", "**") else "") + name + "=None" * has_default)
        last = mark
    return ", ".join([*words, *(["/"] if last == "/" else [])])


def _key(arguments: list[Argument], typed: bool) -> str:
    words, types = [], []
    for name, mark, _ in arguments:
        if mark == "**":
            words.append(f"_sc_tuple(_sc_sorted({name}.items()))")
            types.append(f"_sc_tuple([_sc_type({name}[_sc_k]) for _sc_k in _sc_sorted({name})])")
        elif mark == "*":
            words.append(name)
            types.append(f"_sc_tuple(_sc_map(_sc_type, {name}))")
        else:
            words.append(name)
            types.append(f"_sc_type({name})")
    return "".join(f"{word}, " for word in [*words, *(types if typed else [])])


def _passed_on(arguments: list[Argument]) -> str:
    """Return what `fn` is to be called with: a tuple, and a dict."""
    positional, by_name = "", ""
    for name, mark, _ in arguments:
        if mark == "k":
            by_name += f"'{name}': {name}, "
        elif mark == "**":
            by_name += f"**{name}, "
        else:
            positional += f"{mark.strip('/')}{name}, "
    return f"({positional}), " + (f"{{{by_name}}}" if by_name else "_sc_none")
