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


def project_file() -> Iterator[Setting]:
    """Yield ``[tool.stagecache]`` of the nearest pyproject.toml upwards."""
    try:
        here = os.getcwd()
    except OSError:
        return
    for folder in upwards(here):
        path = os.path.join(folder, "pyproject.toml")
        try:
            with open(path, "rb") as stream:
                text = stream.read()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return
        if _names_us(text):
            table = _parse(text, path).get("tool", {}).get("stagecache", {})
            for setting in _table(table, f"[tool.stagecache] of {path}", folder):
                yield setting._replace(is_foreign=True)
        return


def user_file() -> Iterator[Setting]:
    """Yield what the user's own file says for all projects."""
    path = os.path.join(config_folder(), "config.toml")
    try:
        with open(path, "rb") as stream:
            text = stream.read()
    except OSError:
        return
    # A relative directory here means one in every project.
    yield from _table(_parse(text, path), path, project_root())


def _table(table: object, origin: str, base: str) -> Iterator[Setting]:
    if not isinstance(table, dict):
        raise SettingsError(f"{origin} is not a table of settings")
    for name, value in table.items():
        yield Setting(name, value, origin, base)


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
