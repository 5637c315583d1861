"""Profiles: settings under a name in a file, of which one is chosen: a laptop's, a team's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.errors import SettingsError
from stagecache.settings.sources import Setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.settings.sources import Table


class Profiles:
    """Finds what the files say of one profile.

    Parameters
    ----------
    name : str or None
        Which is in force; None: none.
    origin : str
        Who chose it, for people.
    """

    def __init__(self, name: str | None, origin: str) -> None:
        self._name = name
        self._origin = origin
        self._is_found = False
        self._known: dict[str, None] = {}
        self._files: list[str] = []

    def of(self, table: Table) -> Iterator[Setting]:
        """Yield what a file says of the profile, the strongest first: then what it inherits.

        A profile inherits from one of the same file.

        Raises
        ------
        SettingsError
            If the profiles are no tables, one that is inherited is not there, or inherits itself.
        """
        profiles = _profiles_in(table)
        self._known |= dict.fromkeys(profiles)
        self._files.append(table.path)
        name, chain = self._name, list[str]()
        if "profile" in table.contents:
            raise SettingsError(
                f"profile ({table.path}): which one is in force is for STAGECACHE_PROFILE, or "
                "Cache(profile=...), to say"
            )
        while name is not None and name in profiles:
            self._is_found = True
            if name in chain:
                raise SettingsError(
                    f"The profile {name!r} of {table.path} inherits itself: "
                    f"{' -> '.join([*chain, name])}"
                )
            chain.append(name)
            origin = f"{_place(table, name)} of {table.path}"
            profile = profiles[name]
            for setting, value in profile.items():
                if setting != "inherits":
                    yield Setting(setting, value, origin, table.base, table.is_foreign)
            if "inherits" not in profile:
                return
            parent = profile["inherits"]
            if not isinstance(parent, str) or parent not in profiles:
                raise SettingsError(
                    f"The profile {name!r} of {table.path} inherits {parent!r}, which is not "
                    f"there; {_hint(str(parent), profiles)}"
                )
            name = parent

    def check(self) -> None:
        """See that some file has the profile.

        Raises
        ------
        SettingsError
            If none has.
        """
        if self._name is None or self._is_found:
            return
        files = " and ".join(self._files) or "any file"
        raise SettingsError(
            f"There is no profile {self._name!r} ({self._origin}) in {files}; "
            f"{_hint(self._name, self._known)}. [tool.stagecache.profiles.{self._name}] of "
            "pyproject.toml would be one"
        )


def _profiles_in(table: Table) -> dict[str, dict[str, Any]]:
    profiles = table.contents.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(p, dict) for p in profiles.values()):
        raise SettingsError(f"{_place(table)} of {table.path} is to have a table for each profile")
    return profiles


def _place(table: Table, *names: str) -> str:
    return f"[{'.'.join([*filter(None, [table.place.strip('[]')]), 'profiles', *names])}]"


def _hint(name: str, known: dict[str, Any]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there are {', '.join(map(repr, known))}" if known else "there are none"
