"""Binds the arguments of a call to parameters and applies what annotations say of them.

`inspect.signature(...).bind` does the same in 8 us after an import of 10 ms; it is left
to word the error when a call does not fit.
"""

from __future__ import annotations

import os
import re
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from stagecache.errors import StageDefinitionError
from stagecache.file import File

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


class _Ignored:
    """Marks an annotation whose parameter does not count."""

    def __repr__(self) -> str:
        return "ignored"


IGNORED = _Ignored()

Ignore = Annotated[T, IGNORED]
"""``log: Ignore[Logger]``: the parameter does not count as an input."""

_VARARGS, _VARKEYWORDS = 0x04, 0x08
_POLICY_WORDS = re.compile(r"\b(File|Ignore)\b")


class Parameters:
    """The parameters of one function.

    Parameters
    ----------
    fn : function
        Any Python function; its defaults are read at every call.

    Attributes
    ----------
    names : tuple of str
        All parameters in order; ``*args`` and ``**kwargs`` under their own names.
    ignored : frozenset of str
        Those annotated ``Ignore[...]``.
    files : dict
        Parameters annotated with ``File``, alone or inside a container, and what turns
        plain paths into ``File`` for each.
    returns : object
        The return annotation, resolved if it can be, else None.

    Examples
    --------
    >>> def load(path: File, *, rows: int = 10) -> list: ...
    >>> Parameters(load).bind(("a.csv",), {})
    {'path': File('a.csv'), 'rows': 10}
    """

    __slots__ = (
        "_accepted", "_fn", "_keyword_only", "_positional", "_positional_only", "_var_keywords",
        "_var_positional", "files", "ignored", "names", "returns",
    )  # fmt: skip

    def __init__(self, fn: types.FunctionType) -> None:
        code = fn.__code__
        names = code.co_varnames
        positional, keyword_only = code.co_argcount, code.co_kwonlyargcount
        end = positional + keyword_only
        self._fn = fn
        self._positional = names[:positional]
        self._positional_only = frozenset(names[: code.co_posonlyargcount])
        self._keyword_only = names[positional:end]
        self._var_positional = names[end] if code.co_flags & _VARARGS else None
        end += self._var_positional is not None
        self._var_keywords = names[end] if code.co_flags & _VARKEYWORDS else None
        self._accepted = frozenset(names[:positional] + self._keyword_only) - self._positional_only
        self.names = (
            *self._positional,
            *((self._var_positional,) if self._var_positional else ()),
            *self._keyword_only,
            *((self._var_keywords,) if self._var_keywords else ()),
        )
        annotations = _resolved_annotations(fn)
        self.returns = annotations.pop("return", None)
        self.ignored = frozenset(n for n, a in annotations.items() if _is_ignored(a))
        self.files = {
            n: convert
            for n, a in annotations.items()
            if n not in self.ignored and (convert := _file_policy(a))
        }
        for name in (*self.ignored, *self.files):
            if name not in self.names:
                raise StageDefinitionError(
                    f"`{fn.__qualname__}` is wrapped by a decorator that hides its parameter "
                    f"`{name}`, so the annotation there cannot be applied. "
                    "Put the stage decorator directly on the function, below the other one."
                )

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameter name -> value, defaults filled in, in the order of ``names``.

        Raises
        ------
        TypeError
            If the arguments do not fit, worded as Python words it.
        """
        positional = self._positional
        bound: dict[str, Any] = dict(zip(positional, args, strict=False))
        extra = args[len(positional) :]
        if extra and self._var_positional is None:
            self._refuse(args, kwargs)
        var_keywords: dict[str, Any] = {}
        if kwargs:
            for name, value in kwargs.items():
                if name in self._accepted:
                    if name in bound:
                        self._refuse(args, kwargs)
                    bound[name] = value
                elif self._var_keywords is not None:
                    var_keywords[name] = value
                else:
                    self._refuse(args, kwargs)
        if len(bound) < len(positional) + len(self._keyword_only):
            self._fill_defaults(bound, args, kwargs)
        if self._var_positional is not None:
            bound[self._var_positional] = extra
        if self._var_keywords is not None:
            bound[self._var_keywords] = var_keywords
        for name, convert in self.files.items():
            bound[name] = convert(bound[name])
        if kwargs or self._var_positional is not None:
            return {name: bound[name] for name in self.names}
        return bound

    def call(self, bound: Mapping[str, Any]) -> Any:
        """Call the function with what :meth:`bind` returned."""
        args = [bound[name] for name in self._positional]
        if self._var_positional is not None:
            args.extend(bound[self._var_positional])
        kwargs = {name: bound[name] for name in self._keyword_only}
        if self._var_keywords is not None:
            kwargs.update(bound[self._var_keywords])
        return self._fn(*args, **kwargs)

    def _fill_defaults(
        self, bound: dict[str, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        defaults = self._fn.__defaults__ or ()
        first = len(self._positional) - len(defaults)
        for index, name in enumerate(self._positional):
            if name not in bound:
                if index < first:
                    self._refuse(args, kwargs)
                bound[name] = defaults[index - first]
        keyword_defaults = self._fn.__kwdefaults__ or {}
        for name in self._keyword_only:
            if name not in bound:
                if name not in keyword_defaults:
                    self._refuse(args, kwargs)
                bound[name] = keyword_defaults[name]

    def _refuse(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        import inspect

        try:
            inspect.signature(self._fn, follow_wrapped=False).bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._fn.__qualname__}: {error}") from None
        raise TypeError(f"{self._fn.__qualname__}: the arguments do not fit its parameters")


def _resolved_annotations(fn: types.FunctionType) -> dict[str, Any]:
    """Return the annotations that can be evaluated now; refuse those that could hide a policy."""
    resolved: dict[str, Any] = {}
    for name, annotation in fn.__annotations__.items():
        if not isinstance(annotation, str):
            resolved[name] = annotation
            continue
        try:
            resolved[name] = eval(annotation, fn.__globals__, _closure(fn))  # noqa: S307
        except Exception as error:  # noqa: BLE001 - anything can happen in an annotation
            if name != "return" and _POLICY_WORDS.search(annotation):
                raise StageDefinitionError(
                    f"The annotation `{annotation}` of parameter `{name}` of "
                    f"`{fn.__qualname__}` cannot be resolved ({error}), and it could say how the "
                    "parameter counts. Import File and Ignore outside `if TYPE_CHECKING:`."
                ) from None
    return resolved


def _closure(fn: types.FunctionType) -> dict[str, Any]:
    cells = {}
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            cells[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    return cells


def _is_ignored(annotation: Any) -> bool:
    return IGNORED in getattr(annotation, "__metadata__", ())


def _file_policy(annotation: Any) -> Callable[[Any], Any] | None:
    """Return what turns plain paths into `File` where the annotation asks for it, or None."""
    if annotation is File:
        return _as_file
    origin = typing.get_origin(annotation)
    if origin is None:
        return None
    arguments = typing.get_args(annotation)
    if origin is Annotated:
        return _file_policy(arguments[0])
    if origin is typing.Union or origin is types.UnionType:
        if str in arguments:
            return None  # a plain string is wanted as such
        policies = [policy for a in arguments if (policy := _file_policy(a))]
        return policies[0] if policies else None
    inner = next((policy for a in arguments if (policy := _file_policy(a))), None)
    return None if inner is None else lambda value: _each(value, inner)


def _as_file(value: Any) -> Any:
    if isinstance(value, str | os.PathLike) and not isinstance(value, File):
        return File(value)
    return value


def _each(value: Any, convert: Callable[[Any], Any]) -> Any:
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(convert(element) for element in value)
    if type(value) is dict:
        return {key: convert(element) for key, element in value.items()}
    return value
