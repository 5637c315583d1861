"""Decides which opens and listings are no reads: whose path, or whose opener, says so."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from stagecache.fingerprint.origin import distribution_of, is_user_module
from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.between import PATHLIB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_OWN = __name__.rpartition(".")[0]
_PRODUCT = __name__.partition(".")[0] + "."
_SYSTEM = tuple(os.sep + name + os.sep for name in ("proc", "sys", "dev", "usr/share/zoneinfo"))
_BYTECODE = f"{os.sep}__pycache__{os.sep}"
_CODE = (".py", ".pyc", ".pyi", ".pyd", ".so")
_IMPORTING = frozenset(
    {
        "importlib._bootstrap",
        "importlib._bootstrap_external",
        "_frozen_importlib",
        "_frozen_importlib_external",
        "importlib.metadata",
        "linecache",
        "pkgutil",
        "zipimport",
    }
)
_LOADERS = frozenset({"importlib._bootstrap_external", "_frozen_importlib_external"})
_UNDER_WAY = frozenset({"importlib._bootstrap", "_frozen_importlib", "linecache"})
"""On the stack they mean that an import, or a look at source text, is under way."""
_FINDING = frozenset({"pkgutil", "functools"})
"""What stands between the user's code and a list of modules."""
_PLUMBING = PATHLIB | {"codecs", "io", "os", "tokenize", "zipfile"}
"""Modules that open for whoever calls them."""
_ZIPPED = f"{os.sep}python{sys.version_info.major}{sys.version_info.minor}.zip"
"""The standard library's other place, which Python looks at whether it is there or not."""
_INSTALLED = (f"{os.sep}site-packages", f"{os.sep}dist-packages", _ZIPPED)
_SHARED = frozenset({".cache", ".config", ".local"})
"""Folders of a home directory with a folder of each program in them."""

_caches: frozenset[str] = frozenset()
"""Directories of caches. It is replaced, never changed: bodies ask while others add to it."""


def ignored_prefixes(here: str) -> tuple[str, ...]:
    """Return how the paths begin that are no reads, whoever opens them.

    They are the kernel's, the interpreter's, and the installed packages'. A
    prefix that the project itself lies in (``python -m venv .``) or that is the system's own
    (``/usr``) does not count as the interpreter's; what is installed below it still does.

    Parameters
    ----------
    here : str
        The working directory.
    """
    return _prefixes(here, tuple([entry for entry in sys.path if entry.endswith(_INSTALLED)]))


@functools.lru_cache(maxsize=32)
def _prefixes(here: str, entries: tuple[str, ...]) -> tuple[str, ...]:
    """Return them for what the path of modules, which programs add to, has of these `entries`."""
    zipped = tuple(entry for entry in entries if entry.endswith(_ZIPPED))
    folders = {os.path.dirname(os.__file__), *entries} - {*zipped}
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix):
        if not _folder(here).startswith(_folder(prefix)) and prefix not in (
            "/",
            "/usr",
            "/usr/local",
        ):
            folders.add(prefix)
    prefixes = {_folder(os.path.abspath(folder)) for folder in folders}
    prefixes |= {_folder(os.path.realpath(folder)) for folder in folders}
    return (*_SYSTEM, *sorted(prefixes), *zipped)


def ignore_all_in(directory: str) -> None:
    """Let nothing in the directory of a cache be a read, or what a body writes, from now on.

    A body may be the first to use a cache, or somebody beside it.
    """
    global _caches
    _caches |= {os.path.abspath(directory), os.path.realpath(directory)}


def is_of_a_cache(path: str) -> bool:
    """Tell whether a path is, or lies in, the directory of a cache of this process."""
    caches = _caches
    while caches and path not in caches:
        path, below = os.path.dirname(path), path
        if path == below:
            return False
    return bool(caches)


def is_bytecode(path: str) -> bool:
    """Tell whether `path` is where the interpreter and numba keep compiled code."""
    return _BYTECODE in path


def is_import(path: str | None) -> bool:
    """Tell whether a file is opened, or a folder listed, on behalf of an import.

    That is code and folders that the import system or ``linecache`` looks at, and whatever an
    installed package reads while it is imported. Data that the user's module reads then, and data
    that are fetched through a loader (``pkgutil.get_data``), are reads.

    Parameters
    ----------
    path : str or None
        What is opened; None: a folder is listed.
    """
    names = list(_opening_modules())
    if path is None and _asks_for_modules(names):
        return False
    if _is_importer(names, path):
        return True
    if _UNDER_WAY.isdisjoint(names):
        return False
    with nobody():
        for name in names:
            if name in _UNDER_WAY:
                return True
            if is_user_module(name):
                return False
    return False


def is_loaded_by_hand() -> bool:
    """Tell whether the user's code makes a loader execute a file, which is then an input.

    ``spec.loader.exec_module(module)`` brings a module that no import statement names.
    """
    names = _opening_modules()
    name = next(names, None)
    if name not in _LOADERS:
        return False
    name = next((each for each in names if each not in _LOADERS), None)
    with nobody():
        return name is not None and name not in _IMPORTING and is_user_module(name)


def source_of(bytecode: str) -> str:
    """Return the path of the source that a ``.pyc`` was made from."""
    try:
        return importlib.util.source_from_cache(bytecode)
    except ValueError:
        return bytecode


def _is_importer(names: list[str], path: str | None) -> bool:
    if path is not None and not path.endswith(_CODE):
        return False
    opener = None
    for name in names:
        if name in _IMPORTING:
            return True
        if name in _PLUMBING and opener is None:
            continue
        if path is None or opener not in (None, name):
            return False
        opener = name  # perhaps an importer of its own: pytest's reads the modules that it rewrites
    return False


def _asks_for_modules(names: list[str]) -> bool:
    """Tell whether the user's code asks ``pkgutil`` which modules there are: it has plugins."""
    name = next((name for name in names if name not in _FINDING), None)
    with nobody():
        return names[0] in _FINDING and name is not None and is_user_module(name)


def is_removal() -> bool:
    """Tell whether a folder is listed by its descriptor to be removed with all that is in it."""
    return next(filter(_is_none_of_os, _opening_modules()), None) == "shutil"


def _is_none_of_os(module: str) -> bool:
    return module not in ("posix", "nt")


def is_package_cache(path: str, home: str) -> bool:
    """Tell whether an installed package opens what it keeps for itself in the home directory.

    The folder must be named like a package on the stack: pandas asked to read
    ``~/.cache/mine/a.csv`` reads an input.

    Parameters
    ----------
    path : str
        Below `home`, the first folder hidden.
    home : str
        With a separator at its end.
    """
    parts = path[len(home) :].split(os.sep)
    if parts[0] in _SHARED:
        parts = parts[2:] if parts[:2] == [".local", "share"] else parts[1:]
    if len(parts) < 2:
        return False
    folder = _plain(parts[0])
    tops = {name.partition(".")[0] for name in _opening_modules()}
    with nobody():
        return any(_are_alike(folder, _plain(top)) and distribution_of(top) for top in tops)


def _are_alike(folder: str, package: str) -> bool:
    shorter = min(len(folder), len(package))
    return shorter > 2 and (folder in package or package in folder)


def _plain(name: str) -> str:
    return name.lower().translate({ord(sign): None for sign in "._-"})


def _opening_modules() -> Iterator[str]:
    """Yield the names of the body's modules on the stack, the innermost first."""
    # The code of a frame would raise an audit event of its own; its globals do not.
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if isinstance(name, str) and not name.startswith(_OWN):
            if name.startswith(_PRODUCT):  # from here on it is who called the stage
                return
            yield name
        frame = frame.f_back


def _folder(path: str) -> str:
    return path if path.endswith(os.sep) else path + os.sep
