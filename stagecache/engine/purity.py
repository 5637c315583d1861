"""Looks again at the arguments after a body has run, for whether they are what the key says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.engine.request import argument_digest
from stagecache.errors import FingerprintError, ImpureStageWarning, warn
from stagecache.file import File
from stagecache.fingerprint.looking import own_names

if TYPE_CHECKING:
    from collections.abc import Collection

    from stagecache.engine.request import Request

SMALL_ELEMENTS = 1_000
SMALL_BYTES = 1_000_000

_IMMUTABLE = frozenset({str, int, float, bool, bytes, type(None), complex})


def inputs_hold(request: Request, bound: dict[str, Any]) -> bool:
    """Tell whether the result may be kept under the request's key; warn where inputs changed.

    A file that changed means that nobody knows which bytes the body saw: do not keep.
    An argument that the body itself changed was seen as the key says: keep, but warn. Large
    arguments are not looked at again: fingerprinting them twice would double the cost of a
    miss.
    """
    stage = request.stage
    for name, before in zip(stage.counted, request.digests, strict=False):
        value = bound[name]
        is_checked = stage.settings.determinism == "check"
        if type(value) in _IMMUTABLE or not (is_checked or is_small(value)):
            continue
        try:
            if argument_digest(stage, name, value) == before:
                continue
        except (FingerprintError, OSError):
            pass  # it could be fingerprinted before: it has changed
        if isinstance(value, File):
            warn(
                f"{value} changed while `{stage.name}` ran on it, probably because something else "
                "writes it. The result is returned but not kept; the next run computes it again.",
                ImpureStageWarning,
            )
            return False
        warn(
            f"`{stage.name}` changes its argument `{name}`. A kept result will not change it "
            "again, so callers would see a difference. Work on a copy.",
            ImpureStageWarning,
        )
    return True


def is_small(value: Any) -> bool:
    """Tell whether fingerprinting `value` a second time costs next to nothing.

    Examples
    --------
    >>> is_small([1, {"a": 2}]), is_small(list(range(10_000)))
    (True, False)
    """
    waiting, left = [value], SMALL_ELEMENTS
    while waiting:
        left -= 1
        inner = _inside(waiting.pop())
        if inner is None or len(waiting) + len(inner) > left:
            return False
        waiting.extend(inner)
    return True


def _inside(value: Any) -> Collection[Any] | None:
    """Return what is to be visited next after `value`; None: it is too large by itself."""
    if type(value) in _IMMUTABLE:
        return ()
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if isinstance(value, dict):
        return value.values()
    try:
        shape, size = getattr(value, "shape", None), getattr(value, "nbytes", None)
    except Exception:  # noqa: BLE001 - an object of anybody's
        return None
    if isinstance(size, int):
        return () if size <= SMALL_BYTES else None
    if isinstance(shape, tuple) and len(shape) == 2:  # frames: asking for their bytes is slow
        return () if shape[0] * shape[1] * 8 <= SMALL_BYTES else None
    state = own_names(value)
    return state.values() if isinstance(state, dict) else ()
