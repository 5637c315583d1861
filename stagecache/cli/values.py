"""Turns the text of a ``NAME=VALUE`` argument into what the parameter's annotation asks for."""

from __future__ import annotations

import os
import types
import typing
from typing import Annotated, Any, Literal

from stagecache.cli.scalars import UnusableValueError, scalar

_SEQUENCES = (list, tuple, set, frozenset)


def parse(text: str, annotation: Any) -> Any:
    """Return the value that `text` means where `annotation` stands.

    Parameters
    ----------
    text : str
        What a person typed.
    annotation : object
        Resolved annotation of the parameter; ``Any`` leaves the text as it is.

    Raises
    ------
    UnusableValueError
        If the text does not fit, or nothing of that type can be written as text.

    Examples
    --------
    >>> parse("3", int | str), parse("x", int | str), parse("none", int | None)
    (3, 'x', None)
    >>> parse("[1, 2]", tuple[float, ...])
    (1.0, 2.0)
    """
    annotation = _plain(annotation)
    if annotation is Any or annotation is str or annotation is object:
        return text
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return _choice(text, typing.get_args(annotation))
    if origin in (typing.Union, types.UnionType):
        return _member(text, typing.get_args(annotation))
    if _container(annotation) is not None:
        return convert(_json(text, annotation), annotation)
    if isinstance(annotation, type):
        return scalar(text, annotation)
    raise UnusableValueError(f"{describe(annotation)} cannot be written as text")


def convert(value: Any, annotation: Any) -> Any:
    """Return what a value out of JSON means where `annotation` stands, element by element.

    Examples
    --------
    >>> convert([1, 2], tuple[float, ...])
    (1.0, 2.0)
    """
    annotation = _plain(annotation)
    if isinstance(value, str):
        return parse(value, annotation)
    if annotation is Any or annotation is object:
        return value
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _first_fitting(value, typing.get_args(annotation))
    if typing.get_origin(annotation) is Literal:
        if any(value == c and type(value) is type(c) for c in typing.get_args(annotation)):
            return value
        raise UnusableValueError(f"not {describe(annotation)}: {value!r}")
    container = _container(annotation)
    if container is not None and isinstance(value, dict if container is dict else list):
        return _filled(value, container, typing.get_args(annotation))
    if annotation is float and type(value) is int:
        return float(value)
    if value is None and annotation is type(None):
        return None
    if isinstance(annotation, type) and type(value) is annotation:
        return value
    raise UnusableValueError(f"not {describe(annotation)}: {value!r}")


def describe(annotation: Any) -> str:
    """Return how an annotation reads to a person.

    Examples
    --------
    >>> describe(int), describe(list[int]), describe(int | None), describe(Any)
    ('int', 'list[int]', 'int | None', 'text')
    """
    annotation = _plain(annotation)
    if annotation is Any:
        return "text"
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return " or ".join(repr(choice) for choice in typing.get_args(annotation))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(describe(member) for member in typing.get_args(annotation))
    if annotation is type(None):
        return "None"
    if isinstance(annotation, type) and origin is None:
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def _plain(annotation: Any) -> Any:
    """Return what an annotation stands for under ``Annotated``, aliases and new types."""
    while True:
        if annotation is None:
            return type(None)
        if typing.get_origin(annotation) is Annotated:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif isinstance(annotation, typing.TypeVar):
            annotation = annotation.__bound__ or Any
        elif typing.get_origin(annotation) is os.PathLike:
            annotation = os.PathLike
        elif hasattr(annotation, "__value__") and not isinstance(annotation, type):
            annotation = annotation.__value__  # an alias made by the `type` statement
        else:
            return annotation


def _choice(text: str, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if text in (str(choice), getattr(choice, "name", None)):
            return choice
    raise UnusableValueError(f"not {' or '.join(map(repr, choices))}: {text!r}")


def _member(text: str, members: tuple[Any, ...]) -> Any:
    """Return the value of the strictest member that `text` fits: text fits ``str`` always."""
    if str in members:  # text may be meant: it is no path only because it could be one
        members = tuple(m for m in members if not _is_path(m))
    return _tried(sorted(members, key=_looseness), lambda member: parse(text, member), text)


def _first_fitting(value: Any, members: tuple[Any, ...]) -> Any:
    exact = sorted(members, key=lambda member: _plain(member) is not type(value))
    return _tried(exact, lambda member: convert(value, member), value)


def _tried(members: list[Any], attempt: Any, given: Any) -> Any:
    for member in members:
        try:
            return attempt(member)
        except UnusableValueError:
            continue
    raise UnusableValueError(f"not {' or '.join(describe(m) for m in members)}: {given!r}")


def _is_path(member: Any) -> bool:
    member = _plain(member)
    return isinstance(member, type) and issubclass(member, os.PathLike)


def _looseness(member: Any) -> int:
    member = _plain(member)
    order = (type(None), int, float, bool)  # "1" is a number before it is a truth
    if member in order:
        return order.index(member)
    return 9 if member is str or member is Any or member is object else 5


def _container(annotation: Any) -> type | None:
    """Return the type to build for an annotation of a container, else None."""
    import collections.abc

    origin = typing.get_origin(annotation) or annotation
    if origin in _SEQUENCES or origin is dict:
        return typing.cast("type", origin)
    if origin in (collections.abc.Mapping, collections.abc.MutableMapping):
        return dict
    if origin in (collections.abc.Set, collections.abc.MutableSet):
        return set
    if origin in (
        collections.abc.Sequence,
        collections.abc.MutableSequence,
        collections.abc.Iterable,
        collections.abc.Collection,
    ):
        return list
    return None


def _json(text: str, annotation: Any) -> Any:
    import json

    example = '{"a": 1}' if _container(annotation) is dict else "[1, 2]"
    try:
        return json.loads(text)
    except ValueError:
        raise UnusableValueError(
            f"not {describe(annotation)}, which is written as JSON, like {example}: {text!r}"
        ) from None


def _filled(value: Any, container: type, arguments: tuple[Any, ...]) -> Any:
    if container is dict:
        keys, elements = arguments or (Any, Any)
        return {convert(k, keys): convert(v, elements) for k, v in value.items()}
    if container is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            raise UnusableValueError(f"{len(arguments)} elements are wanted, not {len(value)}")
        return tuple(convert(v, a) for v, a in zip(value, arguments, strict=True))
    element = arguments[0] if arguments else Any
    return container([convert(v, element) for v in value])
