"""Decides nothing: marks a function or a class whose code does not count, only a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from stagecache.fingerprint.looking import own_names

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MARK = "__stagecache_stable__"


@overload
def stable(fn: T, /, *, version: str = "") -> T: ...
@overload
def stable(*, version: str = "") -> Callable[[T], T]: ...
def stable(fn: Any = None, /, *, version: str = "") -> Any:
    """Declare that edits of a function or class leave results as they are.

    Stages that reach it are not rerun when its code changes, only when `version` does. It
    suits logging, progress and other code that no result depends on.

    Parameters
    ----------
    fn : function or class
        What is declared stable; it is returned, marked.
    version : str, optional
        What counts instead of the code.

    Examples
    --------
    >>> @stable
    ... def note(text):
    ...     print(text)
    >>> @stable(version="2")
    ... def tidy(rows):
    ...     return sorted(rows)
    """
    if fn is None:
        return lambda marked: stable(marked, version=version)
    setattr(fn, MARK, version)
    return fn


def stable_version(obj: object) -> str | None:
    """Return the version that counts instead of the code of `obj`; None: its code counts."""
    # Looked up in its own namespace: a subclass does not inherit the promise.
    own = own_names(obj)
    version = own.get(MARK)
    if not isinstance(version, str):
        return None
    # functools.wraps copies the mark to a wrapper that nobody called stable.
    wrapped = own.get("__wrapped__")
    copied = wrapped is not None and own_names(wrapped).get(MARK) == version
    return None if copied else version
