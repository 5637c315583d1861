"""Decides whose code a module is: the user's, the standard library's, or a named distribution's.

What then counts of it (its bytecode, its name and version, nothing) is decided by ``code``.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec

_OWN = __name__.partition(".")[0]
_STDLIB = os.path.dirname(os.path.realpath(os.__file__)) + os.sep

_MAKERS = frozenset({"types", "abc", "enum", "dataclasses", "collections"})
"""Modules that classes made by a call may claim to be of, as those of ``make_dataclass`` do."""

_user: dict[str, bool] = {}
_distribution: dict[str, tuple[str, str] | None] = {}
_absent: set[str] = set()  # neither imported nor to be found: code that was generated
_records: dict[str, str] = {}
_shadowed: dict[str, tuple[list[str], bool]] = {}
_listings: dict[str, tuple[int, list[str]]] = {}


def is_user_module(name: str | None) -> bool:
    """Tell whether code of the module `name` is the user's, to be followed into its bytecode.

    It is, unless the module belongs to the standard library, to an installed distribution or to
    stagecache. Editable installs, notebooks, scripts and generated code are the user's.

    Parameters
    ----------
    name : str or None
        Dotted name as in ``__module__``; None is code that does not say where it is from.

    Examples
    --------
    >>> is_user_module("__main__"), is_user_module("json.decoder"), is_user_module("pandas")
    (True, False, False)
    """
    if not isinstance(name, str):  # a class may call its module anything
        return True
    known = _user.get(name)
    if known is None:
        top = name.partition(".")[0]
        known = top != _OWN and not _is_stdlib(top) and distribution_of(name) is None
        # Else it may still come to be one of another's, or the user's own of the same name.
        if name in sys.modules or not (known or top in sys.stdlib_module_names):
            _user[name] = known
    return known


def is_user_code(namespace: dict[str, Any]) -> bool:
    """Tell whether functions whose globals are `namespace` are the user's.

    Code that only claims to be of stagecache, as examples in its docstrings do, is the user's.
    """
    name: Any = namespace.get("__name__")
    if not isinstance(name, str) or is_user_module(name):
        return True
    return _is_own(name) and not is_own_code(namespace)


def is_own_code(namespace: dict[str, Any]) -> bool:
    """Tell whether functions whose globals are `namespace` are stagecache's own.

    Examples
    --------
    >>> import stagecache.clock
    >>> is_own_code(vars(stagecache.clock)), is_own_code({"__name__": "stagecache.clock"})
    (True, False)
    """
    name: Any = namespace.get("__name__")
    if type(name) is not str or not name.startswith(_OWN):
        return False
    return _is_own(name) and namespace is getattr(sys.modules.get(name), "__dict__", None)


def is_users_for_sure(namespace: dict[str, Any]) -> bool | None:
    """Tell what :func:`is_user_code` would, if no file has to be looked at for it; else None."""
    name: Any = namespace.get("__name__")
    known = _user.get(name) if type(name) is str else None
    return None if known is False and _is_own(name) else known


def is_user_class(cls: type) -> bool:
    """Tell whether a class is the user's; see :func:`is_user_code`."""
    if not isinstance(cls.__module__, str) or is_user_module(cls.__module__):
        return True
    if not _is_own(cls.__module__) and cls.__module__ not in _MAKERS:
        return False
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is not cls


def _is_own(name: str) -> bool:
    return name.partition(".")[0] == _OWN


def distribution_of(module: str) -> tuple[str, str] | None:
    """Name the installed distribution that brought `module`, and its version.

    None for the standard library and for the user's own code. The module need not be imported.
    A distribution whose version may stand for several states of the code (installed from a
    directory, a repository or an archive) has a digest of its RECORD added to the version.

    Parameters
    ----------
    module : str
        Dotted name.

    Examples
    --------
    >>> import xxhash
    >>> distribution_of("xxhash") == ("xxhash", xxhash.VERSION)
    True
    >>> distribution_of("json") is None
    True
    """
    top = module.partition(".")[0]
    for name in (top, module):
        if name in _distribution:
            return _distribution[name]
    if top == "__main__" or _is_stdlib(top):
        return None
    if module in _absent and module not in sys.modules and top not in sys.modules:
        return None
    name, file = top, _file(top)
    if file is None:
        # Several distributions may share a namespace package: each module answers for itself.
        name, file = module, _file(module)
    if file is None:
        _absent.add(module)
        return None
    found = _owner(file, name)
    if found is not None or name in sys.modules:  # else it may yet be installed
        _distribution[name] = found
    return found


def record_of(distribution: str) -> bytes:
    """Return the list of what a distribution brought; empty if nothing of it was met here.

    Parameters
    ----------
    distribution : str
        As :func:`distribution_of` names it.
    """
    record = _records.get(distribution)
    return b"" if record is None else _read(record)


def is_findable(module: str) -> bool:
    """Tell whether there is a module of that name, without importing it.

    Examples
    --------
    >>> is_findable("json.decoder"), is_findable("no_such_module")
    (True, False)
    """
    return module in sys.modules or _spec(module) is not None


def _file(module: str) -> str | None:
    """Return the file of a module, imported or not; None if it has none, or shares its folder."""
    known = sys.modules.get(module)
    if known is not None:
        file, path = getattr(known, "__file__", None), getattr(known, "__path__", ())
    else:
        spec = _spec(module)
        if spec is None or not spec.has_location:
            return None
        file, path = spec.origin, spec.submodule_search_locations or ()
    return file if isinstance(file, str) and len(path) <= 1 else None


def _spec(module: str) -> ModuleSpec | None:
    """Find a module that is not imported, without importing it or its packages."""
    path: Sequence[str] | None = None
    spec = None
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        for finder in sys.meta_path:
            try:
                spec = finder.find_spec(name, path)
            except (ValueError, ImportError, AttributeError):  # finders are anybody's
                spec = None
            except KeyError:  # below a namespace that is not imported, its own finder gives up
                spec = None
            if spec is not None:
                break
        if spec is None:
            return None
        path = spec.submodule_search_locations
        if path is None and count < len(parts):
            return None
    return spec


def _is_stdlib(top: str) -> bool:
    if top not in sys.stdlib_module_names:
        return False
    # A user's own module may carry the name of one that the standard library has.
    module = sys.modules.get(top)
    if module is None:
        return not _is_shadowed(top)
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not file.endswith(".py"):
        return True
    return file.startswith(_STDLIB) or os.path.realpath(file).startswith(_STDLIB)


def _is_shadowed(top: str) -> bool:
    """Tell whether an import would find a module of the user's before the standard library's."""
    known = _shadowed.get(top)
    if known is None or known[0] != sys.path:
        known = _shadowed[top] = [*sys.path], _is_first_elsewhere(top)
    return known[1]


def _is_first_elsewhere(top: str) -> bool:
    for entry in sys.path if top not in sys.builtin_module_names else ():
        path = os.path.join(str(entry), top)
        if os.path.isfile(path + ".py") or os.path.isfile(os.path.join(path, "__init__.py")):
            return not os.path.realpath(path).startswith(_STDLIB)
    return False


def _owner(file: str, module: str) -> tuple[str, str] | None:
    folder = file
    for _ in range(module.count(".") + (2 if "__init__." in os.path.basename(file) else 1)):
        folder = os.path.dirname(folder)
    relative = file[len(folder) :].replace(os.sep, "/").lstrip("/")
    top = module.partition(".")[0]
    infos = _infos(folder)
    for info in _likely_first(infos, _plain(top), folder):
        if info.endswith(".dist-info") and _lists(f"{folder}/{info}/RECORD", relative):
            distribution, _, version = info.removesuffix(".dist-info").partition("-")
            _records[_plain(distribution)] = f"{folder}/{info}/RECORD"
            return _plain(distribution), version + _build(f"{folder}/{info}")
    if os.path.basename(folder) in ("site-packages", "dist-packages"):
        # An *.egg-info beside a module is an install only here: in a checkout it is the trace
        # of an editable one.
        for info in infos:
            if info.endswith(".egg-info") and _egg_brings(f"{folder}/{info}", top):
                distribution, _, version = info.removesuffix(".egg-info").partition("-")
                return _plain(distribution), version.partition("-py")[0]
    return None


def _infos(folder: str) -> list[str]:
    """List the ``*-info`` entries of `folder`, anew if something was installed meanwhile."""
    try:
        changed = os.stat(folder).st_mtime_ns
        known = _listings.get(folder)
        if known is None or known[0] != changed:
            infos = [n for n in os.listdir(folder) if n.endswith((".dist-info", ".egg-info"))]
            known = _listings[folder] = changed, infos
    except OSError:  # inside a zip file, or gone
        return []
    return known[1]


def _likely_first(infos: list[str], top: str, folder: str) -> Iterator[str]:
    """Yield names that contain the letters of `top` (sklearn, scikit-learn) first, then by size.

    Only the RECORD decides; reading all of a hundred of them would take 15 ms.
    """
    namesakes = [info for info in infos if _contains_letters(_plain(info), top)]
    yield from sorted(namesakes, key=len)
    sizes = {}
    for info in infos:
        try:
            sizes[info] = os.stat(f"{folder}/{info}/RECORD").st_size
        except OSError:
            sizes[info] = 0
    yield from sorted(set(infos).difference(namesakes), key=sizes.__getitem__)


def _contains_letters(name: str, top: str) -> bool:
    letters = iter(name)
    return all(letter in letters for letter in top)


def _lists(record: str, relative: str) -> bool:
    return b"\n%s," % relative.encode() in b"\n" + _read(record)


def _egg_brings(info: str, top: str) -> bool:
    if os.path.isdir(info):
        return top.encode() in _read(f"{info}/top_level.txt").split()
    return _plain(os.path.basename(info)).startswith(_plain(top) + "-")


def _build(info: str) -> str:
    """Tell apart two states of one version when it was not installed from an index."""
    if not os.path.exists(f"{info}/direct_url.json"):
        return ""
    from xxhash import xxh3_128_hexdigest

    return "+record." + xxh3_128_hexdigest(b"\n".join(_hashed_lines(_read(f"{info}/RECORD"))))


def _hashed_lines(record: bytes) -> Iterator[bytes]:
    for line in sorted(record.splitlines()):
        # Metadata and scripts name the machine; compiled files carry no hash.
        if b".dist-info/" not in line and not line.startswith(b"..") and b",sha" in line:
            yield line


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
