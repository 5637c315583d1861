"""Decides which environment variables a library that asks for some is told by the user's code.

A library reads much for itself: ``PATH``, ``COLUMNS``, proxies. What the user's code named when it
called, or left to the library with the mapping or with a class whose fields are filled, is meant.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.fingerprint.looking import names_of, texts_in, things_in
from stagecache.fingerprint.origin import is_user_class, is_user_code
from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.between import PATHS
from stagecache.fingerprint.reads.shells import is_of_a_shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

_BETWEEN = PATHS | {
    "os", "collections", "collections.abc", "_collections_abc", "importlib", __name__,
    f"{__package__}.variables", f"{__package__}.imports",
}  # fmt: skip
"""Modules that only stand between the user's code and what it asks for."""
_CONFIGURED = ("model_config", "__config__", "Config")
_MAPPING = type(os.environ)


class Call(NamedTuple):
    """How the user's code came to ask."""

    arguments: tuple[Any, ...]
    """Of its call of a library, whose code asks."""
    of: CodeType | None
    """What of the library it called; None: it asks itself, or through Python's own."""

    @property
    def hands_all(self) -> bool:
        """Whether the user's code asks the mapping, or hands it over."""
        return self.of is None or any(type(value) is _MAPPING for value in self.arguments)

    def names(self, name: str) -> bool:
        """Tell whether an argument names a variable, or is of a class with a field for it."""
        texts = [text for text in self.arguments if isinstance(text, str)]
        return any(_ends(name, text) or is_in(name, text) for text in texts) or any(
            fields.means(name) for fields in self._filled()
        )

    def holds(self, name: str) -> bool:
        """Tell whether something in the arguments names a variable, or is the whole mapping.

        That takes up to a millisecond.
        """
        return any(
            type(value) is _MAPPING or (isinstance(value, str) and is_in(name, value))
            for value in things_in(self.arguments)
        )

    @property
    def kind(self) -> tuple[int, ...]:
        """What is alike for calls of one function with arguments of the same types."""
        return id(self.of), *(id(type(value)) for value in self.arguments)

    def named(self) -> Iterator[str]:
        """Yield the variables that the arguments name, set or not."""
        texts = set(texts_in(self.arguments))
        yield from (name for name in list(os.environ) if name in texts)
        for fields in self._filled():
            found = [name for name in list(os.environ) if fields.means(name)]
            yield from found
            yield from fields.unset(set(map(str.lower, found)))

    def _filled(self) -> Iterator[_Fields]:
        for value in self.arguments:
            cls = value if isinstance(value, type) else type(value)
            with nobody():
                is_users = is_user_class(cls)
            if is_users:
                yield _fields_of(cls)


def call() -> Call | None:
    """Return how the user's code asks; None: it is somebody else who asks."""
    frame: Any = sys._getframe(1)
    library: Any = None
    with nobody():  # to find out whose code it is may list folders
        while frame is not None:
            if frame.f_globals.get("__name__") not in _BETWEEN:
                if is_user_code(frame.f_globals):
                    return Call((), None) if library is None else _call_of(library)
                library = frame
            frame = frame.f_back
    return None


def is_in(name: str, text: str) -> bool:
    """Tell whether a text is, or mentions, the name of a variable.

    Examples
    --------
    >>> is_in("X", "X"), is_in("X", "at ${X}/y"), is_in("X", "an X"), is_in("HOME", "~/a")
    (True, True, False, True)
    """
    if text == name:
        return True
    if name == "HOME" and text.startswith("~"):
        return True
    marked = any(sign in text for sign in "${%") and name in text
    return marked and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


class _Fields:
    """The variables that a library fills a class of the user's from, in small letters."""

    def __init__(self, cls: type) -> None:
        self._delimiter = _configured(cls, "env_nested_delimiter") or ""
        prefix = _configured(cls, "env_prefix")
        self._is_for_settings = prefix is not None
        fields: set[str] = set()
        described: list[Any] = []
        for base in cls.__mro__:
            names = names_of(base)
            annotations = names.get("__annotations__")
            if is_user_class(base) and isinstance(annotations, dict):
                fields.update(annotations)
                described += [
                    value
                    for value in names.values()
                    if isinstance(value, dict) and value is not annotations and fields & set(value)
                ]
        self._aliases = [text for text in texts_in(described) if text.isidentifier()]
        self._fields = {((prefix or "") + field).lower() for field in fields}
        self._names = self._fields.union(map(str.lower, self._aliases))

    def means(self, name: str) -> bool:
        """Tell whether a variable fills a field, or what lies in one."""
        if not self._is_for_settings and is_of_a_shell(name):
            return False
        name = name.lower()
        if name in self._names:
            return True
        outer, delimiter, _ = name.partition(self._delimiter) if self._delimiter else ("", "", "")
        return bool(delimiter) and outer in self._names

    def unset(self, found: set[str]) -> Iterator[str]:
        """Yield what would fill a field if it were set."""
        for field in self._fields - found:
            yield from (field, field.upper())
        yield from (text for text in self._aliases if text.isupper() and text.lower() not in found)


@functools.lru_cache(maxsize=256)
def _fields_of(cls: type) -> _Fields:
    return _Fields(cls)


def _configured(cls: type, key: str) -> str | None:
    for base in cls.__mro__:
        for name in _CONFIGURED:
            config = names_of(base).get(name)
            found = config.get(key) if isinstance(config, dict) else getattr(config, key, None)
            if isinstance(found, str):
                return found
    return None


def _call_of(frame: Any) -> Call:
    code, values = frame.f_code, frame.f_locals
    count = code.co_argcount + code.co_kwonlyargcount
    found = [values[name] for name in code.co_varnames[:count] if name in values]
    others = code.co_varnames[count : count + bool(code.co_flags & 4) + bool(code.co_flags & 8)]
    for name in others:
        more = values.get(name)
        found += more.values() if isinstance(more, dict) else more or ()
    return Call(tuple(found), code)


def _ends(name: str, text: str) -> bool:
    """Tell whether a variable is called like `text`, behind a prefix that is set elsewhere."""
    return len(name) > len(text) and bool(text) and name.endswith("_" + text)
