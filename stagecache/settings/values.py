"""What a value of each setting may look like.

Every reader takes what a source gave and the folder that relative paths start from.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from stagecache.errors import SettingsError
from stagecache.settings.compressions import parse_compression
from stagecache.settings.measures import parse_duration, parse_size
from stagecache.settings.places import working_directory
from stagecache.settings.urls import parse_entries_url, parse_objects_url

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_ONLY = ":memory:"
"""The directory that is none."""
EVICTIONS = ("cost", "lru", "lfu", "lrs", "none")
"""What gives way when the disk tier is full; with ``none`` nothing does."""
ROLES = ("writer", "reader")
"""What this process does with what the team shares: give and take, or only take."""


def _path(value: Any, base: str | None) -> str:
    try:
        path = os.fspath(value)
    except TypeError:
        path = b""
    if not isinstance(path, str) or not path or "\0" in path:
        raise SettingsError(f"{value!r} is not a path")
    path = os.path.expanduser(path)
    if os.path.isabs(path):
        return os.path.normpath(path)
    return os.path.normpath(os.path.join(base or working_directory(), path))


def _directory(value: Any, base: str | None) -> str:
    return MEMORY_ONLY if value == MEMORY_ONLY else _path(value, base)


def _is_none(value: Any) -> bool:
    """Tell whether a setting is switched off that a weaker source may have given."""
    return isinstance(value, str) and value.strip().lower() == "none"


def _bound(value: Any, base: str | None) -> int | None:
    if _is_none(value):
        return None
    return _size(value, base)


def _size(value: Any, _base: str | None) -> int:
    return parse_size(value)


def _memory(value: Any, base: str | None) -> Any:
    if hasattr(value, "__setitem__") and hasattr(value, "get"):
        return value
    return _size(value, base)


def _seconds(value: Any, _base: str | None) -> float | None:
    if _is_none(value):
        return None
    return parse_duration(value)


def _name(value: Any, _base: str | None) -> str:
    if isinstance(value, str) and value:
        return value
    raise SettingsError(f"{value!r} is not a name")


def _compression(value: Any, _base: str | None) -> str | None:
    name = parse_compression(value)
    return None if name == "none" else name


def _eviction(value: Any, _base: str | None) -> str:
    name = str(value).strip().lower()
    if name in EVICTIONS:
        return name
    raise SettingsError(f"{value!r} is none of {', '.join(EVICTIONS)}")


def _role(value: Any, _base: str | None) -> str:
    name = str(value).strip().lower()
    if name in ROLES:
        return name
    raise SettingsError(f"{value!r} is none of {', '.join(ROLES)}")


def _namespace(value: Any, _base: str | None) -> str:
    # What every kind of shelf can have in a name.
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        return value
    raise SettingsError(f"{value!r} is not 1 to 64 letters, digits, `_` and `-`")


def _paths(value: Any, base: str | None) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part for part in value.split(os.pathsep) if part] or [value]
    if not isinstance(value, (list, tuple)):
        value = [value]
    return tuple(_path(part, base) for part in value)


def _count(value: Any, _base: str | None) -> int:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise SettingsError(f"{value!r} is not a number of 1 or more")


_SWITCH = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(
    ("0", "false", "no", "off"), False
)


def _switch(value: Any, _base: str | None) -> bool:
    meaning = value if isinstance(value, bool) else _SWITCH.get(str(value).strip().lower())
    if meaning is None:
        raise SettingsError(f"{value!r} is neither true nor false")
    return meaning


READERS: dict[str, Callable[[Any, str | None], Any]] = {
    "directory": _directory,
    "memory": _memory,
    "memory_ttl": _seconds,
    "max_size": _bound,
    "compression": _compression,
    "eviction": _eviction,
    "executor": _name,
    "jobs": _count,
    "durable": _switch,
    "read_only": _switch,
    "shared": _switch,
    "secret": _path,
    "redis": lambda value, _: None if _is_none(value) else parse_entries_url(value),
    "store": lambda value, _: None if _is_none(value) else parse_objects_url(value),
    "namespace": _namespace,
    "role": _role,
    "shared_ttl": _seconds,
    "allow_pickle": _switch,
    "signing_key": _paths,
    "coherence": _seconds,
    "profile": _name,
}
