"""Binds ``NAME=VALUE`` texts to the parameters of a pipeline or stage function."""

from __future__ import annotations

import inspect
import types
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from stagecache.cli.scalars import UnusableValueError
from stagecache.cli.targets import nearest
from stagecache.cli.values import describe, parse
from stagecache.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stagecache.cli.targets import Target


class WrongArgumentsError(ValueError):
    """The texts do not make a call of the function."""


def bind(target: Target, texts: Iterable[str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the positional and keyword arguments that the texts mean.

    Parameters
    ----------
    target : Pipeline or Stage
        What is to be called.
    texts : iterable of str
        Each ``NAME=VALUE``.

    Raises
    ------
    UnknownNameError
        If there is no such parameter.
    WrongArgumentsError
        If a text is no ``NAME=VALUE``, a value does not fit, or a parameter is left out.
    """
    fn = target.fn
    signature = inspect.signature(fn)
    given = inspect.BoundArguments(signature, OrderedDict())
    extra: dict[str, Any] = {}
    seen: set[str] = set()
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise WrongArgumentsError(f"`{text}` is not NAME=VALUE. {_usage(target, signature)}")
        if name in seen:
            raise WrongArgumentsError(f"`{name}` is given twice")
        seen.add(name)
        parameter = signature.parameters.get(name) or _var_keyword(signature)
        if parameter is None:
            hint = nearest(name, signature.parameters)
            raise UnknownNameError(f"`{target.name}` has no parameter `{name}`.{hint}")
        parsed = _parsed(name, value, _annotation(parameter, fn))
        if parameter.kind is parameter.VAR_KEYWORD:
            extra[name] = parsed
        else:
            given.arguments[name] = parsed
    given.apply_defaults()
    if extra:
        given.arguments[next(reversed(signature.parameters))] = extra
    missing = [name for name in signature.parameters if name not in given.arguments]
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        raise WrongArgumentsError(f"{names} must be given. {_usage(target, signature)}")
    return given.args, given.kwargs


def _var_keyword(signature: inspect.Signature) -> inspect.Parameter | None:
    last = next(reversed(list(signature.parameters.values())), None)
    return last if last is not None and last.kind is last.VAR_KEYWORD else None


def _parsed(name: str, text: str, annotation: Any) -> Any:
    try:
        return parse(text, annotation)
    except UnusableValueError as error:
        raise WrongArgumentsError(f"`{name}`: {error}") from None


def _annotation(parameter: inspect.Parameter, fn: Callable[..., Any]) -> Any:
    """Return what the parameter takes; without an annotation, what its default is."""
    annotation = parameter.annotation
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, getattr(fn, "__globals__", {}))  # noqa: S307
        except Exception:  # noqa: BLE001 - a name imported for type checkers only
            annotation = parameter.empty
    if annotation is parameter.empty:
        default = parameter.default
        simple = type(default) in (bool, int, float, list, tuple, dict)
        annotation = type(default) if simple else Any
    if parameter.kind is parameter.VAR_POSITIONAL:
        return types.GenericAlias(tuple, (annotation, ...))
    return annotation


def _usage(target: Target, signature: inspect.Signature) -> str:
    words = []
    for parameter in signature.parameters.values():
        kind = describe(_annotation(parameter, target.fn))
        word = f"{parameter.name}={kind.upper() if kind.isidentifier() else kind}"
        words.append(word if parameter.default is parameter.empty else f"[{word}]")
    return f"`{target.name}` takes {' '.join(words)}" if words else f"`{target.name}` takes none"
