"""Knows what a function has for arguments that nobody gives, and which of that it fills itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType, FunctionType


def by_name(code: CodeType, defaults: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults of a function by name.

    Parameters
    ----------
    code : CodeType
        Its code. To ask the function for that, or for them, is an event for every audit hook.
    defaults : tuple
        Of arguments that may be given by position.
    keywords : dict
        Of the others.

    Examples
    --------
    >>> def area(radius, unit="m", *, places=2): ...
    >>> by_name(area.__code__, area.__defaults__, area.__kwdefaults__)
    {'unit': 'm', 'places': 2}
    """
    names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    return dict([*zip(names, defaults, strict=True), *sorted(keywords.items())])


def fills_default(fn: FunctionType) -> bool:
    """Tell whether a function fills what is there for an argument that nobody gives: a memo.

    Examples
    --------
    >>> def load(name, kept={}):
    ...     if name not in kept:
    ...         kept[name] = name.upper()
    ...     return kept[name]
    >>> fills_default(load)
    True
    """
    defaults, keywords = fn.__defaults__ or (), fn.__kwdefaults__ or {}
    if not (defaults or keywords):
        return False
    from stagecache.fingerprint.code.foreign import is_container
    from stagecache.fingerprint.code.forms import form_of

    if not any(map(is_container, (*defaults, *keywords.values()))):
        return False
    code = fn.__code__
    held = by_name(code, defaults, keywords)
    return any(
        fill.slot.kind == "parameter" and is_container(held.get(fill.slot.name))
        for fill in form_of(code).fills
    )
