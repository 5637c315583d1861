"""Decides how a thing that is no code of the user's is named, or taken into parts that may be."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_hexdigest

from stagecache.fingerprint.code.living import is_living
from stagecache.fingerprint.looking import has_by_itself, is_one_of, own_names
from stagecache.fingerprint.origin import distribution_of, is_user_module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

_PLAIN = (int, float, complex, str, bytes, type(None), type(...))
_PLAIN_TYPES = {*map(type, (None, ...)), int, float, complex, str, bytes, bool}
_FIXED_TYPES = {*_PLAIN_TYPES, range, slice, FunctionType, BuiltinFunctionType}
_FIXED_MODULES = {"datetime", "decimal", "fractions", "pathlib", "re", "uuid", "zoneinfo"}
_INERT = {
    ("logging", "Logger"),
    ("logging", "RootLogger"),
    ("logging", "LoggerAdapter"),
    ("_thread", "lock"),
    ("_thread", "RLock"),
    ("threading", "Condition"),
    ("threading", "Event"),
    ("threading", "Semaphore"),
    ("threading", "BoundedSemaphore"),
    ("_thread", "_local"),
}
_DEEPEST = 4

# As loaded: a library cannot be loaded again in the same process.
_libraries: dict[str, str | None] = {}


def name_of(obj: Any) -> tuple[str, str]:
    """Return module and dotted name of a module, function, class or other named thing."""
    if isinstance(obj, FunctionType):
        # A decorator's wrapper claims the module and the name of what it wraps.
        return str(obj.__globals__.get("__name__")), obj.__code__.co_qualname
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    module = getattr(obj, "__module__", None)
    if isinstance(obj, ModuleType) or type(obj).__name__ == "Foreign":
        return str(name), ""
    home = home_of(obj)
    if home is not None:
        return home, str(obj.__name__)
    if not isinstance(name, str):
        return type(obj).__module__, type(obj).__qualname__
    if not isinstance(module, str):
        module = getattr(getattr(obj, "__objclass__", type(obj)), "__module__", "builtins")
    return str(module), name


def home_of(value: Any) -> str | None:
    """Return the module of a library that offers a method of its own object as a function.

    So are the functions of ``random``: what generator they draw from is the library's affair.

    Examples
    --------
    >>> import random
    >>> home_of(random.random), home_of(random.Random(5).random)
    ('random', None)
    """
    if issubclass(type(value), type):  # which may answer anything
        return None
    owner = getattr(value, "__self__", None)
    if owner is None or isinstance(owner, (ModuleType, type)):
        return None
    module = type(owner).__module__
    if not isinstance(module, str) or is_user_module(module):
        return None
    offered = own_names(sys.modules.get(module)).get(getattr(value, "__name__", None))
    return module if offered is value else None


def parts_of(value: Any) -> tuple[str, list[Any]] | None:
    """Take apart what Python itself wraps around code; None: it is something else.

    Examples
    --------
    >>> import functools
    >>> parts_of(functools.partial(print, 1, end=""))
    ('partial', [<built-in function print>, 1, 'end', ''])
    >>> parts_of([].append)
    ('method', [[], 'append'])
    >>> parts_of(3) is None
    True
    """
    cls = type(value)
    if cls in (int, str, float, dict, list, tuple, bool):
        return None
    if cls is MethodType:
        return None if home_of(value) else ("method", [value.__self__, value.__func__])
    if cls is staticmethod or cls is classmethod:
        return cls.__name__, [value.__func__]
    if isinstance(value, property):
        return "property", [value.fget, value.fset, value.fdel]
    if cls is BuiltinFunctionType:
        owner = value.__self__
        if owner is None or isinstance(owner, (ModuleType, type)) or home_of(value):
            return None
        return "method", [owner, value.__name__]
    if cls.__module__ == "functools":
        return _functools_parts(value, cls.__name__)
    if cls.__module__ == "numpy" and cls.__name__ == "ufunc" and not is_named(value):
        return "ufunc", [f"{value.nin} {value.nout}", *_functions_behind(value)]  # np.frompyfunc
    if is_disguised(value):
        kind = sys.modules["wrapt"] if cls.__module__ == "_wrappers" else cls  # written in C
        return "wrapper", [kind, value.__wrapped__, value._self_wrapper, value._self_enabled]
    wrapped = own_names(value).get("__wrapped__")
    if wrapped is not None and not is_user_module(cls.__module__):
        return "wrapper", [cls, wrapped]
    return None


def is_disguised(value: Any) -> bool:
    """Tell whether wrapt made of a value what calls other code, and claims to be what it wraps."""
    return has_by_itself(type(value), "_self_wrapper")


def _functools_parts(value: Any, name: str) -> tuple[str, list[Any]] | None:
    if name in ("partial", "partialmethod"):
        keywords = [part for pair in sorted(value.keywords.items()) for part in pair]
        return name, [value.func, *value.args, *keywords]
    if name == "cached_property":
        return name, [value.func]
    if name == "singledispatchmethod":
        return name, [value.dispatcher]
    if name == "KeyWrapper":  # of functools.cmp_to_key
        return name, _functions_behind(value)
    if name == "_lru_cache_wrapper":
        return name, [value.__wrapped__, *map(str, value.cache_parameters().values())]
    return None


def _functions_behind(value: Any) -> list[Any]:
    """Return what an object that is written in C calls, and tells nobody but the collector."""
    import gc

    return [one for one in gc.get_referents(value) if callable(one) and not isinstance(one, type)]


def held_by(fn: FunctionType) -> list[Any] | None:
    """Return what a library's function holds of the user's; None: it is a library's own.

    A retrying wrapper or a curried function is made by a library, for the user's function.
    """
    wrapped = fn.__dict__.get("__wrapped__")
    if "<locals>" not in fn.__code__.co_qualname or not (wrapped or fn.__closure__):
        return None
    inner = wrapped
    while isinstance(inner, FunctionType) and "__wrapped__" in inner.__dict__:
        inner = inner.__dict__["__wrapped__"]
    if isinstance(inner, FunctionType) and not is_user_module(inner.__globals__.get("__name__")):
        return None
    held = [] if wrapped is None else [wrapped]
    for content in _in_cells(fn):
        held.extend(_plain_parts(content, 0))
    return held


def is_growing(fn: FunctionType) -> bool:
    """Tell whether what a library's function holds may change, as that of singledispatch does."""
    return any(isinstance(content, (dict, list)) for content in _in_cells(fn))


def _in_cells(fn: FunctionType) -> Iterator[Any]:
    """Yield what a function closes over, but for what its own code fills: that is a memo."""
    code = fn.__code__
    for name, cell in zip(code.co_freevars, fn.__closure__ or (), strict=True):
        with suppress(ValueError):  # an empty cell
            if name not in _filled_cells(code):
                yield cell.cell_contents


@lru_cache(maxsize=1024)
def _filled_cells(code: CodeType) -> frozenset[str]:
    from stagecache.fingerprint.code.forms import form_of

    return frozenset(fill.slot.name for fill in form_of(code).fills if fill.slot.kind == "free")


def _plain_parts(value: Any, depth: int) -> Iterator[Any]:
    """Yield functions, classes and plain values; a library's own objects stay unseen."""
    if isinstance(value, (FunctionType, type, *_PLAIN)) or parts_of(value) is not None:
        yield value
    elif depth < _DEEPEST and isinstance(value, (list, tuple)):
        for item in value:
            yield from _plain_parts(item, depth + 1)
    elif depth < _DEEPEST and isinstance(value, dict):
        for key, item in value.items():
            yield from _plain_parts(key, depth + 1)
            yield from _plain_parts(item, depth + 1)


def is_named(value: Any) -> bool:
    """Tell whether a thing is known by its name alone, such as ``numpy.add`` or ``str.upper``."""
    if not callable(value) or isinstance(value, type):
        return False
    module, name = name_of(value)
    if not isinstance(getattr(value, "__name__", None), str) or is_user_module(module):
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if is_user_module(type(value).__module__):
        # Cython and others have modules of their own for the types of functions, that no file has.
        return found is value and distribution_of(module) is not None
    # Another one of that name may have been made by hand, as numpy.frompyfunc does.
    return found is value or isinstance(value, BuiltinFunctionType)


def library_of(module: str) -> str | None:
    """Return the digest of the compiled library that is the module `module` of the user's.

    An extension that is built in a checkout has no bytecode; its file stands for it.
    """
    if module not in _libraries:
        _libraries[module] = None
        file = getattr(sys.modules.get(module), "__file__", None)
        if isinstance(file, str) and file.endswith((".so", ".pyd")) and is_user_module(module):
            with open(file, "rb") as stream:
                _libraries[module] = xxh3_128_hexdigest(stream.read())
    return _libraries[module]


def is_container(value: Any) -> bool:
    """Tell whether a value is one of Python's own containers that can be filled."""
    from collections import deque

    return isinstance(value, (dict, list, set, bytearray, deque))


def is_inert(value: Any) -> bool:
    """Tell whether no result can depend on a value: a logger, a lock.

    What a thread has for itself is at work where it lies inside of another thing, but not alone.
    """
    kind = type(value)
    return value is NotImplemented or (is_inert_kind(kind) and not is_living(value))


def is_inert_kind(kind: type) -> bool:
    """Tell whether no result can depend on a value of a type."""
    return (kind.__module__, kind.__name__) in _INERT


def is_plain(value: Any) -> bool:
    """Tell whether a value is a number, a text or another constant, or a few of them together."""
    if type(value) is tuple or type(value) is frozenset:
        return all(map(is_plain, value))
    return is_one_of(type(value), _PLAIN_TYPES)


def is_fixed(value: Any) -> bool:
    """Tell whether nothing of a value can change as long as it is the same object."""
    cls = type(value)
    if is_one_of(cls, _FIXED_TYPES) or issubclass(cls, (type, ModuleType)):
        return True
    if cls is tuple or cls is frozenset:
        return all(map(is_fixed, value))
    return cls.__module__ in _FIXED_MODULES
