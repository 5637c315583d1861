"""Names classes and functions in digests: the user's by qualified name and reference, others by
module and qualified name.
"""

from __future__ import annotations

import sys
from typing import Any

from stagecache.fingerprint.origin import is_user_module
from stagecache.fingerprint.parts import framed


def name_of(named: Any) -> tuple[bytes, object]:
    """Return what stands for a class or function in a digest, and the reference if it has one.

    Where a user's module lies does not count, so its name is left out; the code counts instead.
    """
    module, name = getattr(named, "__module__", None), named.__qualname__
    if is_user_module(module):
        return framed(b"user", name), named
    return framed(str(module), name), None


def is_importable(named: Any) -> bool:
    """Tell whether module and qualified name lead back to `named`."""
    found: Any = sys.modules.get(getattr(named, "__module__", None) or "")
    for part in named.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is named


def shown(named: Any) -> str:
    """Return the name that an error shows, for example ``sqlite3.Connection``."""
    module = getattr(named, "__module__", None)
    prefix = "" if module in (None, "builtins", "__main__") else f"{module}."
    return f"{prefix}{named.__qualname__}"
