"""Lets a wrapper stand where a function stood, for whoever looks at names or at the stack.

A code fingerprint names a library's function by its module and name: it is the same function before
and after somebody watches it.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable


def standing_for(function: Callable[..., Any], wrapper: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does what `wrapper` does and looks as if it were `function`.

    Examples
    --------
    >>> import math
    >>> def seen(number):
    ...     return math.sqrt(number) * 2
    >>> sqrt = standing_for(math.sqrt, seen)
    >>> sqrt(4), sqrt.__module__, sqrt.__code__.co_qualname
    (4.0, 'math', 'sqrt')
    """
    made = cast("FunctionType", wrapper)
    name, qualname, home = function.__name__, function.__qualname__, _home(function)
    if isinstance(function, FunctionType):
        qualname = function.__code__.co_qualname
    code = made.__code__.replace(co_name=name, co_qualname=qualname)
    names = {**made.__globals__, "__name__": home}
    found = FunctionType(code, names, name, made.__defaults__, made.__closure__)
    found.__kwdefaults__ = made.__kwdefaults__
    found.__module__ = getattr(function, "__module__", None) or home
    found.__qualname__, found.__doc__ = function.__qualname__, function.__doc__
    return found


def _home(function: Any) -> str:
    """Return the module that the code of a function is in, whatever the function says."""
    if isinstance(function, FunctionType):
        return str(function.__globals__.get("__name__"))
    return getattr(function, "__module__", None) or "builtins"
