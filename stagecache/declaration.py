"""Decides what may be declared as a stage, and with which options."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from stagecache.errors import SettingsError, StageDefinitionError
from stagecache.model import Options

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable

_ASYNC_GENERATOR = 0x200

_WORDS = {
    "code": ("track", "version"),
    "reads": ("track", "warn", "ignore"),
    "determinism": ("trust", "check"),
}


def options_of(
    *,
    version: str | None,
    ignore: tuple[str, ...] | str,
    ttl: str | float | datetime.timedelta | None,
    serve_stale: str | float | datetime.timedelta | None,
    early_refresh: float | None,
    codec: str | None,
    compression: str | None,
    depends: Callable[..., Any] | None,
    tags: tuple[str, ...] | str,
    **words: Any,
) -> Options:
    """Return the options of a stage; parameters are those of :func:`~stagecache.stage`.

    Raises
    ------
    StageDefinitionError
        If one has an unusable value.
    """
    if version is not None and not isinstance(version, str):
        raise StageDefinitionError(f"version is a str, not {type(version).__name__}")
    if isinstance(ignore, str):
        raise StageDefinitionError(f"ignore is a tuple of names: ignore=({ignore!r},)")
    if isinstance(tags, str) or not all(isinstance(tag, str) and tag for tag in tags):
        example = tags if isinstance(tags, str) else "fx"
        raise StageDefinitionError(f"tags is a tuple of names: tags=({example!r},)")
    if depends is not None and not callable(depends):
        raise StageDefinitionError(f"depends is a function to ask, not {depends!r}")
    for name, needs_ttl in (("serve_stale", serve_stale), ("early_refresh", early_refresh)):
        if ttl is None and needs_ttl is not None and needs_ttl is not False:
            raise StageDefinitionError(f"{name} is for results that expire: give a ttl as well")
    for name, known in _WORDS.items():
        if words[name] not in known:
            choice = " or ".join(f'"{word}"' for word in known)
            raise StageDefinitionError(f"{name} is {choice}, not {words[name]!r}")
    if compression is not None:
        from stagecache.settings import parse_compression

        try:
            compression = parse_compression(compression)
        except SettingsError as error:
            raise StageDefinitionError(f"compression: {error}") from None
    return Options(
        version,
        tuple(ignore),
        _seconds(ttl),
        codec=codec,
        compression=compression,
        depends=depends,
        serve_stale=_seconds(serve_stale),
        early_refresh=_eagerness(early_refresh),
        tags=tuple(tags),
        **words,
    )


def _seconds(duration: str | float | datetime.timedelta | None) -> float | None:
    if duration is None:
        return None
    from stagecache.settings import parse_duration

    return parse_duration(duration)


def _eagerness(early_refresh: float | None) -> float | None:
    """Return a factor; ``True`` is 1.0, as in the paper, ``False`` is never."""
    if early_refresh is None or early_refresh is False:
        return None
    if not isinstance(early_refresh, int | float) or not 0 < early_refresh < float("inf"):
        raise StageDefinitionError(
            f"early_refresh is True or a factor above 0, not {early_refresh!r}"
        )
    return float(early_refresh)


def checked_function(fn: Any) -> types.FunctionType:
    """Return `fn` if a stage can be made of it.

    Raises
    ------
    StageDefinitionError
        If it is no plain function, or an asynchronous generator.
    """
    if isinstance(fn, staticmethod | classmethod):
        raise StageDefinitionError(
            f"put the stage decorator below @{type(fn).__name__}, directly on the function"
        )
    if not isinstance(fn, types.FunctionType):
        raise StageDefinitionError(
            f"a stage is made of a function written in Python, not of {type(fn).__name__}; "
            "wrap it: `@stage` over `def step(x): return ...(x)`"
        )
    if fn.__code__.co_flags & _ASYNC_GENERATOR:
        raise StageDefinitionError(
            f"`{fn.__qualname__}` is an asynchronous generator, which no stage can be; make it a "
            "plain generator, or an `async def` that returns a list"
        )
    return fn
