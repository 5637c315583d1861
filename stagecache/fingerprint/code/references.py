"""Decides how a kept result names the user's classes and functions, and finds them again."""

from __future__ import annotations

import sys
from typing import Any

from stagecache.errors import FingerprintError


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
    return f"{named.__module__}:{getattr(named, '__qualname__', type(obj).__qualname__)}"


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
