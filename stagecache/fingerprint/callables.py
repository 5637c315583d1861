"""Takes apart functions, methods, classes and modules: by name, and by reference if the user's."""

from __future__ import annotations

import sys
from functools import lru_cache
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.names import (
    called,
    current_rank,
    is_importable,
    name_of,
    shown,
    versioned,
)
from stagecache.fingerprint.origin import is_user_module
from stagecache.fingerprint.parts import Parts, Refused, digest_of, framed
from stagecache.fingerprint.scalars import plain_digest

if TYPE_CHECKING:
    import functools
    import types
    from collections.abc import Callable


def take_code(value: Any) -> Parts:
    """Take an object that says itself what code it stands for (``__stagecache_code__``)."""
    return Parts(b"code:" + framed(called(value) if current_rank() is None else ""), ref=value)


def _take_class(value: type) -> Parts:
    name, ref = name_of(value)
    return Parts(b"class:" + name, ref=ref)


def _take_function(value: types.FunctionType) -> Parts:
    name, ref = name_of(value)
    if ref is not None or is_importable(value):
        return Parts(b"function:" + name, _put_on(value), ref=ref, label=lambda _: ".__dict__")
    # A library's lambda or inner function: many have this name, with other cells and defaults.
    code = value.__code__
    held = zip(code.co_freevars, value.__closure__ or (), strict=True)
    cells = [_content(cell) for name, cell in held if name not in _assigned(code)]
    return Parts(
        b"inner function:" + name,
        (_shape(value.__code__), value.__defaults__, value.__kwdefaults__, cells, value.__dict__),
        label=("", ".__defaults__", ".__kwdefaults__", ".__closure__", ".__dict__").__getitem__,
    )


def _put_on(fn: types.FunctionType) -> list[object]:
    """Return the plain attributes of a function, which whoever gets it may read.

    What its own code names or closes over may be a counter or a memo of its own. What other code
    asks of functions that it holds is decided by ``code``.
    """
    if not fn.__dict__ or current_rank() is not None:
        return []
    own = [held for cell in fn.__closure__ or () for held in _content(cell)]
    return [
        pair
        for pair in sorted(fn.__dict__.items())
        if plain_digest(pair) is not None
        and pair[0] not in fn.__code__.co_names
        and not pair[0].startswith("__")
        and not any(held is pair[1] for held in own)
    ]


@lru_cache(maxsize=1024)
def _assigned(code: types.CodeType) -> frozenset[str]:
    """Return what code closes over and assigns itself: it notes there what it found out."""
    if not code.co_freevars:
        return frozenset()
    from dis import get_instructions

    return frozenset(one.argval for one in get_instructions(code) if one.opname == "STORE_DEREF")


def _content(cell: types.CellType) -> tuple[object, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # not filled yet
        return ()


def _shape(code: types.CodeType) -> tuple[object, ...]:
    """Return what tells a library's code objects apart; its version is not known here."""
    constants = [_shape(one) if hasattr(one, "co_code") else one for one in code.co_consts]
    names = (code.co_names, code.co_varnames, code.co_freevars)
    return code.co_code, code.co_argcount, names, constants


def _take_builtin(value: types.BuiltinFunctionType) -> Parts:
    owner = getattr(value, "__self__", None)
    if owner is None or type(owner) is _MODULE:
        module = str(value.__module__)
        return Parts(b"builtin:" + framed(module, versioned(module, value.__qualname__)))
    return Parts(b"builtin method:" + framed(value.__name__), (owner,), label=lambda _: ".__self__")


def _take_method(value: types.MethodType) -> Parts:
    return Parts(
        b"method:",
        (value.__func__, value.__self__),
        label=(".__func__", ".__self__").__getitem__,
    )


def _take_descriptor(value: types.MethodDescriptorType) -> Parts:
    return Parts(b"descriptor:" + framed(value.__name__), (value.__objclass__,))


def _take_memoized(value: Any) -> Parts:
    children = (value.__wrapped__, value.cache_parameters())
    return Parts(b"lru_cache:", children, label=lambda _: ".__wrapped__")


def _take_partial(value: functools.partial[Any]) -> Parts:
    # Its own __reduce__ tells whether somebody ever looked at its __dict__.
    children = (value.func, value.args, value.keywords, vars(value) or None)
    labels = (".func", ".args", ".keywords", ".__dict__")
    return Parts(b"partial:", children, label=labels.__getitem__)


def _take_curried(value: Any) -> Parts:
    # Its own __reduce__ gives the name of a function that it decorates.
    children = (value.func, value.args, value.keywords)
    return Parts(b"curry:", children, label=(".func", ".args", ".keywords").__getitem__)


def _take_proxy(value: Any) -> Parts:
    """Take what ``wrapt`` puts around something, and claims to be that."""
    children = (value.__wrapped__, getattr(value, "_self_wrapper", None))
    return Parts(b"proxy:", children, label=(".__wrapped__", "._self_wrapper").__getitem__)


def _take_compiled(value: types.CodeType) -> Parts:
    return Parts(b"compiled:", (_shape(value),), label=lambda _: "")


def _take_weak(value: Any) -> Parts:
    """Take a weak reference to code, as a bus of events holds it for who listens."""
    found = value()
    if not isinstance(found, type | FunctionType | MethodType):
        raise Refused(f"cannot pickle {shown(type(value))}, and what it refers to may go")
    return Parts(b"weak:", (found,), label=lambda _: "")


def _take_module(value: types.ModuleType) -> Parts | bytes:
    if is_user_module(value.__name__):
        if current_rank() is not None:  # all of its code counts
            return Parts(b"module:of the user", ref=value)
        raise Refused(
            f"{value.__name__} is a module of yours, and which of it counts is unknown",
            "Pass the functions and values that are needed of it.",
        )
    return digest_of(b"module:" + framed(versioned(value.__name__, value.__name__)))


_MODULE = type(sys)

TAKERS: dict[str, Callable[[Any], Parts | bytes]] = {
    "function": _take_function,
    "builtin_function_or_method": _take_builtin,
    "method": _take_method,
    "method-wrapper": _take_builtin,
    "wrapper_descriptor": _take_descriptor,
    "method_descriptor": _take_descriptor,
    "classmethod_descriptor": _take_descriptor,
    "_lru_cache_wrapper": _take_memoized,
    "partial": _take_partial,
    "ReferenceType": _take_weak,
    "WeakMethod": _take_weak,
    "curry": _take_curried,
    "ObjectProxy": _take_proxy,
    "code": _take_compiled,
    "type": _take_class,
    "module": _take_module,
}
