"""Wraps the functions of the table in ``bypasses``, in modules imported already or later.

A wrapper hands everything on as it came, and tells only if a body runs or somebody keeps what he
reads. It is never taken off. Whoever bound the function in a module, a dict or a list gets the
wrapper too, so that a name means one object everywhere and pickles by reference.
"""

from __future__ import annotations

import functools
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.reads.arriving import before_imported, when_imported
from stagecache.fingerprint.reads.once import once
from stagecache.fingerprint.reads.owners import owners
from stagecache.fingerprint.reads.standing import standing_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from stagecache.fingerprint.reads.bypasses import Bypass


_LIBRARIES = (
    "pyarrow", "pandas", "polars", "duckdb",
    "multiprocessing", "concurrent.futures.process", "loky", "joblib",
)  # fmt: skip
"""Where the functions of the table are: it is loaded when one of these is."""


@once
def install() -> None:
    """Begin to wrap, once in the life of the process."""
    before_imported(_LIBRARIES, _wrap_present_and_future)


_NAME = "_stagecache_call"
_CALL = compile(f"{_NAME}()", "<stagecache>", "eval")


@once
def _wrap_present_and_future() -> None:
    from stagecache.fingerprint.reads.bypasses import BYPASSES

    replaced: dict[int, Any] = {}
    for name, bypasses in BYPASSES.items():
        module = sys.modules.get(name)
        if module is not None:
            replaced |= _wrap_all(module, bypasses)
        else:
            when_imported(name, functools.partial(_wrap_all, bypasses=bypasses))
    if replaced:
        _rebind(replaced)


def _wrap_all(module: ModuleType, bypasses: list[Bypass]) -> dict[int, Any]:
    """Wrap what the table names in `module`; return the wrappers by the ids of what they replace.

    What a version of a library lacks, or forbids to replace, is left as it is.
    """
    replaced: dict[int, Any] = {}
    for bypass in bypasses:
        holder: Any = module
        *path, name = bypass.name.split(".")
        for step in path:
            holder = getattr(holder, step, None)
        raw = getattr(holder, "__dict__", {}).get(name)
        inner = raw.__func__ if isinstance(raw, classmethod) else raw
        if not callable(inner):
            continue
        wrapper = _wrap(inner, bypass, 1 if inner is not raw else 0)
        with suppress(AttributeError, TypeError):
            setattr(holder, name, classmethod(wrapper) if inner is not raw else wrapper)
            if holder is module:
                replaced[id(raw)] = wrapper
                home = sys.modules.get(getattr(raw, "__module__", None) or "")
                if home is not None and getattr(home, name, None) is raw:
                    setattr(home, name, wrapper)
    return replaced


def _wrap(function: Callable[..., Any], bypass: Bypass, shift: int) -> Callable[..., Any]:
    from stagecache.fingerprint.reads.sources import asks, binds

    position, keyword, tell = bypass.position + shift, bypass.keyword, bypass.tell
    call = _call_as_the_caller if bypass.tell in (asks, binds) else _call

    def seen(*arguments: Any, **options: Any) -> Any:
        if not owners():
            return call(function, arguments, options)
        after = None
        with suppress(Exception):  # what cannot be told is one event not seen
            given = arguments[position] if position < len(arguments) else options.get(keyword)
            if bypass.gives:
                passed = tell(given, arguments[0])
                if position < len(arguments):
                    arguments = (*arguments[:position], passed, *arguments[position + 1 :])
                elif keyword in options:
                    options[keyword] = passed
            elif _is_local(options.get("filesystem")):
                after = tell(given, options)
        try:
            return call(function, arguments, options)
        finally:
            if after is not None:
                with suppress(Exception):
                    after()

    return functools.update_wrapper(standing_for(function, seen), function)


def _call(function: Callable[..., Any], arguments: Any, options: dict[str, Any]) -> Any:
    return function(*arguments, **options)


def _call_as_the_caller(
    function: Callable[..., Any], arguments: Any, options: dict[str, Any]
) -> Any:
    """Call what looks for frames among the local variables of whoever calls it, as DuckDB does.

    It looks in the nearest Python frame, so that has to have those variables: an evaluated one.
    """
    caller = sys._getframe(2)
    names, outer = caller.f_locals, caller.f_globals
    local = {} if names is outer else dict(names)
    local[_NAME] = functools.partial(function, *arguments, **options)
    return eval(_CALL, outer, local)  # noqa: S307 - a constant


def _is_local(filesystem: Any) -> bool:
    return filesystem is None or type(filesystem).__name__ == "LocalFileSystem"


def _rebind(replaced: dict[int, Any]) -> None:
    """Let every namespace, dict and list that holds a wrapped function hold the wrapper."""
    import gc

    # A wrapper's own attributes hold what it wraps, and must.
    kept = {id(vars(wrapper)) for wrapper in replaced.values()}
    for holder in gc.get_referrers(
        *[vars(wrapper)["__wrapped__"] for wrapper in replaced.values()]
    ):
        if type(holder) is dict and id(holder) not in kept:
            for name, value in list(holder.items()):
                if id(value) in replaced:
                    holder[name] = replaced[id(value)]
        elif type(holder) is list:
            holder[:] = [replaced.get(id(value), value) for value in holder]
