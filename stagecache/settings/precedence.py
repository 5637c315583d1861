"""Which source of a setting wins: argument, environment, project's file, user's file, default."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from stagecache.errors import SettingsError
from stagecache.settings import sources
from stagecache.settings.places import project_root
from stagecache.settings.profiles import Profiles
from stagecache.settings.values import READERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stagecache.settings.urls import Url

DEFAULT = "default"
"""Where a value comes from that nobody gave."""


class Settings(NamedTuple):
    """Every setting, resolved."""

    directory: str
    """Where results lie on disk: an absolute path, or ``":memory:"`` for nowhere."""
    memory: Any = 256 << 20
    """Bound of the memory tier in bytes, or a mapping that says what is kept in memory."""
    memory_ttl: float | None = None
    """Seconds that a result stays in memory at most; None: as long as there is room."""
    max_size: int | None = None
    """Bound of the disk tier in bytes; None: unbounded, or as its directory says."""
    eviction: str = "cost"
    """What gives way when the disk tier is full, if its directory says nothing else."""
    compression: str | None = None
    """How results are compressed whose stage does not say; None: not at all."""
    executor: str = "inline"
    """Where bodies run."""
    jobs: int | None = None
    """How many at a time; None: as many as there are processors."""
    durable: bool = False
    """Whether a result is safe from a power cut before it counts as kept."""
    read_only: bool = False
    """Whether nothing may be written."""
    shared: bool = False
    """Whether a group writes in the directory; nothing that can run code is kept or read then."""
    secret: str | None = None
    """The file of the secret that marks this user's directories; None: in the user's own folder."""
    redis: Url | None = None
    """URL of the Redis (or memcached) that a team shares; None: there is none."""
    store: Url | None = None
    """URL of the object store that a team shares; with `redis` for what is large, else for all."""
    namespace: str = "stagecache"
    """What the names of all that is shared begin with: teams with two do not see each other."""
    role: Literal["writer", "reader"] = "writer"
    """Whether results are given to the team as well, or only taken."""
    shared_ttl: float | None = None
    """Seconds that a result stays with the team at least; None: as long as there is room."""
    allow_pickle: bool = False
    """Whether pickles are shared, too; only with a `signing_key`."""
    signing_key: tuple[str, ...] = ()
    """Files of the keys that what is shared is signed with: the first signs, all are believed."""
    coherence: float | None = None
    """Seconds that what others invalidated may stay unknown here; None: a hundred times what it
    takes to ask, from 0.1 to 2."""
    profile: str | None = None
    """Which profile of the files of settings is in force."""


def resolve(**arguments: Any) -> Settings:
    """Find the value of every setting.

    Parameters
    ----------
    **arguments
        Settings by name; None means: not given here. Sizes as :func:`parse_size` takes them;
        ``max_size="none"`` is unbounded even if a weaker source bounds it.

    Raises
    ------
    SettingsError
        If a setting is unknown or its value unusable. The message says where it came from.

    Examples
    --------
    >>> resolve(directory=":memory:", memory="1 GiB").memory
    1073741824
    """
    return resolve_and_say(**arguments)[0]


def origins(**arguments: Any) -> dict[str, str]:
    """Say where the value of every setting comes from, for people.

    Raises
    ------
    SettingsError
        As :func:`resolve` does.

    Examples
    --------
    >>> origins(memory="1 GiB")["memory"]
    'argument memory='
    """
    return resolve_and_say(**arguments)[1]


def resolve_and_say(**arguments: Any) -> tuple[Settings, dict[str, str]]:
    """Do both at once: the values, and where each comes from (``default`` if from nowhere).

    Raises
    ------
    SettingsError
        As :func:`resolve` does.
    """
    found = _found(arguments)
    return (
        Settings(**{name: value for name, (value, _) in found.items()}),
        {name: found[name][1] if name in found else DEFAULT for name in Settings._fields},
    )


def _found(arguments: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Return value and origin of every setting that is not left at its default."""
    found: dict[str, tuple[Any, str]] = {}
    for name in arguments.keys() - READERS.keys():
        raise _unknown(name, f"argument {name}=")

    def take(source: Iterable[sources.Setting]) -> None:
        for setting in source:
            _refuse_from_project(setting)
            if setting.name not in found:
                found[setting.name] = (_read(setting), setting.origin)

    take(sources.arguments(arguments))
    take(sources.environment())
    profiles = Profiles(*found.get("profile", (None, "")))
    for table in (sources.project_file(), sources.user_file()):
        if table is not None:
            take(profiles.of(table))
            take(table.settings())
    profiles.check()
    if "directory" not in found:
        found["directory"] = (os.path.join(project_root(), ".stagecache"), DEFAULT)
    if found.get("allow_pickle", (False,))[0] and "signing_key" not in found:
        raise SettingsError(
            f"allow_pickle ({found['allow_pickle'][1]}): whoever can write in a shared place could "
            "run code here; set `signing_key` as well (`stagecache key new` makes one)"
        )
    return found


def _refuse_from_project(setting: sources.Setting) -> None:
    """Let a project not decide what keeps its own author out.

    Raises
    ------
    SettingsError
        If it names the secret, or a key that came with it.
    """
    if not setting.is_foreign:
        return
    if setting.name == "secret":
        raise SettingsError(
            f"secret ({setting.origin}): whoever wrote the project would know it; set "
            "STAGECACHE_SECRET, or say it in your own file of settings"
        )
    if setting.name == "signing_key" and setting.base is not None:
        for path in READERS["signing_key"](setting.value, setting.base):
            if os.path.realpath(path).startswith(os.path.join(os.path.realpath(setting.base), "")):
                raise SettingsError(
                    f"signing_key ({setting.origin}): {path} lies in the project, so whoever has "
                    "that has the key; keep it in your own folder"
                )


def _read(setting: sources.Setting) -> Any:
    name, value, origin, base, _ = setting
    if name not in READERS:
        raise _unknown(name, origin)
    try:
        return READERS[name](value, base)
    except SettingsError as error:
        raise SettingsError(f"{name} ({origin}): {error}") from None


def _unknown(name: str, origin: str) -> SettingsError:
    from difflib import get_close_matches

    close = get_close_matches(name, READERS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(READERS)}"
    return SettingsError(f"There is no setting {name!r} ({origin}); {hint}")
