"""Where settings are given: each source yields its own, unread and unjudged."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.errors import SettingsError
from stagecache.settings.places import config_folder, project_root, upwards

if TYPE_CHECKING:
    from collections.abc import Iterator


class Setting(NamedTuple):
    """One setting as a source gives it."""

    name: str
    value: Any
    origin: str
    """Where it came from, for people."""
    base: str | None = None
    """Folder that a relative path starts from; None: the working directory."""
    is_foreign: bool = False
    """Whether it came with the project, from whoever that is."""


def arguments(given: dict[str, Any]) -> Iterator[Setting]:
    """Yield what the caller gave; None means: not given."""
    for name, value in given.items():
        if value is not None:
            yield Setting(name, value, f"argument {name}=")


def environment() -> Iterator[Setting]:
    """Yield ``STAGECACHE_<NAME>`` variables that are not empty."""
    for variable, value in os.environ.items():
        if variable.startswith("STAGECACHE_") and value:
            yield Setting(variable[11:].lower(), value, f"environment variable {variable}")


class Table(NamedTuple):
    """What a file says of us."""

    contents: dict[str, Any]
    path: str
    place: str
    """Where in the file: ``[tool.stagecache]``, or nothing if that is all of it."""
    base: str
    """Folder that relative paths start from."""
    is_foreign: bool
    """Whether the file came with the project, from whoever that is."""

    def settings(self) -> Iterator[Setting]:
        """Yield what holds whatever profile is in force."""
        origin = f"{self.place} of {self.path}" if self.place else self.path
        for name, value in self.contents.items():
            if name != "profiles":
                yield Setting(name, value, origin, self.base, self.is_foreign)


def project_file() -> Table | None:
    """Return ``[tool.stagecache]`` of the nearest pyproject.toml upwards."""
    try:
        here = os.getcwd()
    except OSError:
        return None
    for folder in upwards(here):
        path = os.path.join(folder, "pyproject.toml")
        try:
            with open(path, "rb") as stream:
                text = stream.read()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
        if not _names_us(text):
            return None
        table = _parse(text, path).get("tool", {}).get("stagecache", {})
        return _table(table, path, "[tool.stagecache]", folder, is_foreign=True)
    return None


def user_file() -> Table | None:
    """Return what the user's own file says for all projects."""
    path = os.path.join(config_folder(), "config.toml")
    try:
        with open(path, "rb") as stream:
            text = stream.read()
    except OSError:
        return None
    # A relative directory here means one in every project.
    return _table(_parse(text, path), path, "", project_root(), is_foreign=False)


def _table(table: object, path: str, place: str, base: str, *, is_foreign: bool) -> Table:
    if not isinstance(table, dict):
        raise SettingsError(f"{place} of {path} is not a table of settings")
    return Table(table, path, place, base, is_foreign)


_STARTS = (b"[tool.stagecache", b"tool.stagecache", b"stagecache={", b"stagecache.")


def _names_us(text: bytes) -> bool:
    """Tell whether a pyproject.toml may have our table, without parsing it (2 ms and more)."""
    if b"stagecache" not in text:
        return False
    for line in text.splitlines():
        if b"stagecache" in line:
            bare = line.translate(None, b" \t\"'")
            if bare.startswith(_STARTS):
                return True
    return False


def _parse(text: bytes, path: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text.decode())
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError(f"{path} cannot be read: {error}") from error
