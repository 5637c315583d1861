"""Which decoded values are had again by a copy, at a hundredth of what decoding once more costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_UNCHANGING = frozenset((type(None), bool, int, float, complex, str, bytes))
"""Exactly these: an instance of a subclass may have attributes that can be set."""

_FLAT = frozenset((list, set, dict, tuple, frozenset))


def copier(value: Any) -> Callable[[], Any] | None:
    """Return what gives `value` again and again, each time one that nobody else can change.

    Parameters
    ----------
    value : object
        As decoded. It may be changed afterwards.

    Returns
    -------
    callable or None
        None: its bytes have to be decoded for each. That is so where it holds anything beside
        numbers, text and bytes, since what is copied then is not worth finding out.

    Examples
    --------
    >>> value = {"a": 1}
    >>> again = copier(value)
    >>> value["a"] = 2
    >>> again(), again() is again()
    ({'a': 1}, False)
    >>> print(copier([[1]]))
    None
    """
    kind = type(value)
    if kind in _UNCHANGING:
        return lambda: value
    if kind not in _FLAT or not _UNCHANGING.issuperset(map(type, value)):
        return None
    if kind is dict and not _UNCHANGING.issuperset(map(type, value.values())):
        return None
    if kind in (tuple, frozenset):
        return lambda: value
    return value.copy().copy  # type: ignore[no-any-return]
