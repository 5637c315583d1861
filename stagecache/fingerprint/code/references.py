"""Decides how a kept result names the user's classes and functions, and finds them again."""

from __future__ import annotations

import sys
from typing import Any

from stagecache.errors import FingerprintError
from stagecache.fingerprint.looking import own_names


def reference_name(obj: object) -> str:
    """Return ``module:qualname`` of a class or function.

    Parameters
    ----------
    obj : class or function
        One of those that a value names.

    Examples
    --------
    >>> import json
    >>> reference_name(json.JSONDecoder)
    'json.decoder:JSONDecoder'
    >>> resolve_reference("json.decoder:JSONDecoder") is json.JSONDecoder
    True
    """
    named: Any = obj
    module = str(named.__module__)
    name = f"{module}:{getattr(named, '__qualname__', type(obj).__qualname__)}"
    if is_lost(name, getattr(sys.modules.get(module), "__dict__", None)):  # it never had that name
        return name.replace(":", ":<made>.", 1)
    return name


def is_lost(name: str, namespace: Any) -> bool:
    """Tell whether nothing is called any more as a kept result names it.

    What is of ``__main__`` is kept by value, too, for programs in which that is something else.

    Parameters
    ----------
    name : str
        As :func:`reference_name` made it.
    namespace : dict or None
        The globals of the code that made the result, as they are here.

    Examples
    --------
    >>> is_lost("json.decoder:JSONDecoder", None), is_lost("json.decoder:Decoder", None)
    (False, True)
    """
    module, _, qualname = name.partition(":")
    if "<" in qualname:  # it is found by no name
        return False
    if module == "__main__" and own_names(sys.modules.get(module)) is not namespace:
        return False
    try:
        resolve_reference(name)
    except FingerprintError:
        return True
    return False


def resolve_reference(name: str) -> object:
    """Return the class or function of that name as it is now.

    Raises
    ------
    FingerprintError
        If there is none any more, or if the name says not which: functions make local classes
        and lambdas anew at each call.
    """
    module_name, _, qualname = name.partition(":")
    found: Any = sys.modules.get(module_name)
    try:
        if found is None:
            __import__(module_name)
            found = sys.modules[module_name]
        for part in qualname.split("."):
            found = getattr(found, part)
    except Exception as error:  # importing runs the user's code
        raise FingerprintError(
            name,
            "a kept result names it, and it cannot be found",
            remedy="Define it at the top level of a module.",
        ) from error
    return found
