"""Notes what a body is seen to open, list, make, move and remove, and how it was at that moment.

The notes are cheap: a path and a stat. What they amount to in the end is decided by ``recorder``.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING, Any, Literal

from stagecache.fingerprint.reads.attached import log_of
from stagecache.fingerprint.reads.attribution import nobody, variables_set
from stagecache.fingerprint.reads.check import (
    age_digest,
    answers,
    links_digest,
    listing,
    state,
    variable_digest,
)
from stagecache.fingerprint.reads.ignored import (
    ignored_prefixes,
    is_bytecode,
    is_import,
    is_loaded_by_hand,
    is_of_a_cache,
    is_package_cache,
    source_of,
)
from stagecache.fingerprint.reads.shells import is_of_a_shell

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.model import Digest

FactKind = Literal["link", "age"]
FACTS: dict[FactKind, Callable[[str, str], Digest]] = {"link": links_digest, "age": age_digest}
_MAKES_EMPTY = os.O_TRUNC | os.O_EXCL
_MAKES = os.O_CREAT | _MAKES_EMPTY
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR


class Sight:
    """What was seen of one path.

    Parameters
    ----------
    first : os.stat_result or None
        How it was when it was first seen; None: it was absent.
    """

    __slots__ = ("first", "is_own", "is_read", "is_written", "read_at")

    def __init__(self, first: os.stat_result | None) -> None:
        self.first = first
        self.read_at = first
        """How it was when it was first read."""
        self.is_read = False
        self.is_written = False
        self.is_own = False
        """Whether all that it contains is from this body."""


class Sightings:
    """What one body was seen to do to the file system.

    Threads share it: every note is one operation on a dict or a set.
    """

    def __init__(self) -> None:
        self.began = time.time_ns()
        try:
            self.start = os.getcwd()
        except OSError:  # it was removed
            self.start = os.sep
        self.names: dict[str, str] = {}
        """Files read, as they were opened -> path."""
        self.listings: dict[str, tuple[str, frozenset[str]]] = {}
        """Folders listed, as they were named -> path, and the names in it."""
        self.sights: dict[str, Sight] = {}
        self.candidates: dict[str, tuple[str, os.stat_result]] = {}
        """Files that somebody was given the names of -> path, and how they were."""
        self.looks: dict[str, tuple[str, bool]] = {}
        """Names that were looked for -> path, and whether anything was there."""
        self.missed: dict[str, None] = {}
        """Paths of those where nothing was."""
        self.facts: dict[tuple[FactKind, str], tuple[str, Digest]] = {}
        """What was asked of names that files have -> path, and the answer."""
        self.variables: dict[str, Digest] = {}
        """Environment variables read -> how they were."""
        self.passed: dict[str, Digest] = {}
        """Likewise those that say where somebody works, read by who looks through all."""
        self.overheard: set[tuple[Any, str]] = set()
        """Variables that calls of one kind had libraries read for themselves."""
        self.modules: dict[str, None] = {}
        """Modules imported by a name that was worked out; ``module:Class`` of a pickle."""
        self.items: dict[str, Digest] = {}
        """Items of collections that were looked at, and how they were."""
        self.own_collections: dict[tuple[str, str], None] = {}
        """Those in which the body changed something."""
        self.asks_where_it_is = False
        """Whether somebody asked for the working directory."""
        self.tell: Callable[[str, Any, Any], None] | None = None
        """Whom notes are told that are new: the body, where this is another process than its."""
        self._own_variables: set[str] = set()
        self.touched: dict[str, None] = {}
        """Paths that came, went or moved by the body's doing."""
        self._base = ""
        """Where the body moved to: relative to the start, or absolute."""
        self._own_folders: tuple[str, ...] = ()
        self._ignored = ignored_prefixes(self.start)
        self._home = os.path.join(os.path.expanduser("~"), "")

    def path_of(self, name: str) -> str:
        """Return the normal path of a name that was used now."""
        return self._from_start(self.named(name))

    def named(self, name: str) -> str:
        """Return `name` as it would be from where the body began."""
        return os.path.join(self._base, name) if self._base else name

    def opened(self, name: str, mode: str | None, flags: int) -> None:
        """Note an open, about to happen."""
        access = flags & _ACCESS
        # C code that opens by fopen tells only the mode.
        if not access and not flags & _MAKES and (mode is None or mode[:1] == "r"):
            self.read(name)
            return
        path = self.path_of(name)
        sight = self._sight(path)
        if sight is None:
            return
        is_fresh = bool(flags & _MAKES_EMPTY) or sight.first is None or not flags
        if not is_fresh and access != os.O_WRONLY:
            self.read(name)
        self._write(path, sight, is_own=is_fresh)

    def read(self, name: str, *, by_hand: bool = False) -> None:
        """Note that a file is opened for reading.

        Parameters
        ----------
        name : str
            As it was opened.
        by_hand : bool, optional
            Whether it is the user's code that asks for a text that imports look at, too.
        """
        name = self.named(name)
        if name in self.names:
            return
        if is_bytecode(name) and is_loaded_by_hand():
            name = source_of(name)
        path = self._from_start(name)
        if self.is_own(path) and path not in self.missed:
            return
        if not by_hand and is_import(path) and not is_loaded_by_hand():
            return
        sight = self._sight(path)
        if sight is None:
            return
        if not sight.is_read and not sight.is_own:
            sight.read_at = state(path) if sight.is_written else sight.first
        sight.is_read = True
        self.names[name] = path
        if self.tell is not None:
            self.tell("names", name, (path, sight.read_at))

    def overwritten(self, name: str) -> None:
        """Note that a file is replaced or created, by code that raises no events."""
        path = self.path_of(name)
        sight = self._sight(path)
        if sight is not None:
            self._write(path, sight, is_own=True)

    def made_file(self, path: str) -> None:
        """Note that a file has been created, by code that raises no events."""
        path = self.path_of(path)
        if not self._is_ignored(path):
            sight = self.sights.setdefault(path, Sight(None))
            self._write(path, sight, is_own=True)

    def changed_file(self, path: str) -> None:
        """Note that a file that was there has been written to, by code that raises no events."""
        path = self.path_of(path)
        sight = self._sight(path)
        if sight is not None:
            self._write(path, sight, is_own=False)

    def listed(self, name: str) -> None:
        """Note that the names in a folder are asked for."""
        name = self.named(name)
        if name in self.listings:
            return
        path = self._from_start(name)
        if self._is_ignored(path + os.sep) or self.is_own(path) or is_import(None):
            return
        with nobody():
            names = listing(path)
        if names is not None:
            self._note("listings", name, (path, names))
        elif state(path) is None:
            self.read(name)

    def made_folder(self, name: str) -> None:
        """Note that a folder is about to be made; what will be in it is the body's own."""
        path = self.path_of(name)
        self._note("touched", path)
        if not os.path.lexists(path) and not self.is_own(path):
            self.owns_folder(path + os.sep)

    def owns_folder(self, path: str) -> None:
        """Note that what is in a folder is the body's own; `path` ends with a separator."""
        self._own_folders = (*self._own_folders, path)
        if self.tell is not None:
            self.tell("owned", path, None)

    def renamed(self, source: str, target: str) -> None:
        """Note that a file or a folder is about to be moved; what is the body's own remains so."""
        old, new = self.path_of(source), self.path_of(target)
        inside = old + os.sep
        for path in [path for path in list(self.sights) if path.startswith(inside)]:
            moved = self.sights[path]
            if moved.is_written:
                copy = self.sights[new + path[len(old) :]] = Sight(None)
                self._write(new + path[len(old) :], copy, is_own=moved.is_own)
        if inside in self._own_folders:
            self.owns_folder(new + os.sep)
        before = self.sights.get(old)
        is_own = before is not None and before.is_own
        sight = self._sight(new)
        self._note("touched", old)
        if sight is not None:
            self._write(new, sight, is_own=is_own or self.is_own(old))

    def linked(self, source: str, target: str) -> None:
        """Note that a file is about to get another name: what the link finds is an input."""
        self._note("touched", self.path_of(target))
        beside = os.path.join(os.path.dirname(target), source)  # as a symbolic link is resolved
        self.named_file(beside if state(self.path_of(beside)) else source)

    def removed(self, name: str) -> None:
        """Note that a file or a folder is about to go."""
        self._note("touched", self.path_of(name))

    def named_file(self, name: str) -> None:
        """Note that somebody was given the name of a file and may read it unseen."""
        name = self.named(name)
        path = self._from_start(name)
        if name in self.candidates or self._is_ignored(path):
            return
        found = state(path)
        if found is not None and stat.S_ISREG(found.st_mode):
            self._note("candidates", name, (path, found))
            log = log_of(path)
            if log is not None:
                self.named_file(name + log)
                self.looked_for(name + log)

    def looked_for(self, name: str) -> None:
        """Note that somebody asks whether there is anything of a name."""
        name = self.named(name)
        path = self._from_start(name)
        if name in self.looks or self._is_its_doing(path):
            return
        if not self._is_ignored(path + os.sep):
            is_there = state(path) is not None
            self._note("looks", name, (path, is_there))
            if not is_there:
                self.missed[path] = None

    def asked_of(self, kind: FactKind, name: str) -> None:
        """Note that somebody asks where a link points, or when a file was changed last."""
        name = self.named(name)
        path = self._from_start(name)
        if (kind, name) in self.facts or self._is_its_doing(path):
            return
        if not self._is_ignored(path):
            self._note("facts", (kind, name), (path, FACTS[kind](name, self.start)))

    def moved(self, name: str) -> None:
        """Note that the process changes its working directory."""
        path = self.path_of(name)
        if os.path.isdir(path):
            self._base = "" if path == self.start else os.path.join(self._base, name)

    def works_in(self, folder: str) -> None:
        """Note in which folder a process works that does something for the body."""
        self._base = "" if folder == self.start else folder

    def take(self, what: str, key: Any, value: Any) -> None:
        """Take over a note that another process made for the body, as it was told."""
        if what == "names":
            self._take_read(key, *value)
        elif what == "written":
            first, is_own = value
            self._write(key, self.sights.setdefault(key, Sight(first)), is_own=is_own)
        elif what == "owned":
            self.owns_folder(key)
        elif what == "asks_where_it_is":
            self.asks_where_it_is = True
        elif what in ("variables", "passed"):
            # A process that is older has it as it was; one of a pool has some that are set for it.
            if not self.sets(key):
                digest = value if key in variables_set else variable_digest(key)
                getattr(self, what).setdefault(key, digest)
        elif what not in ("looks", "facts") or not self._is_its_doing(value[0]):
            getattr(self, what).setdefault(key, value)
            if what == "looks" and not value[1]:
                self.missed[value[0]] = None

    def _take_read(self, name: str, path: str, found: os.stat_result | None) -> None:
        if self._is_ignored(path) or (self.is_own(path) and path not in self.missed):
            return
        sight = self.sights.setdefault(path, Sight(found))
        if not sight.is_read and not sight.is_own:
            sight.read_at = found
        sight.is_read = True
        self.names.setdefault(name, path)

    def beside(self, name: str) -> str | None:
        """Return an absolute name as seen from where the body began, if it is not outside of it."""
        path = os.path.normpath(name)
        if not os.path.isabs(name) or not (path + os.sep).startswith(self.start + os.sep):
            return None
        return path[len(self.start) + 1 :] or os.curdir

    def read_variable(self, name: str) -> None:
        """Note that an environment variable is read, or, as ``*``, that their names are."""
        if name in self.variables or self.sets(name):
            return
        what = "passed" if "*" in self.variables and is_of_a_shell(name) else "variables"
        with nobody():
            self._note(what, name, variable_digest(name))

    def set_variable(self, name: str) -> None:
        """Note that the body has set or removed an environment variable."""
        self._own_variables.add(name)

    def sets(self, name: str) -> bool:
        """Tell whether the value of a variable is the body's own doing."""
        return name in self._own_variables

    def looked_at_item(self, name: str) -> None:
        """Note that an item of a collection is about to be looked at, or all of them."""
        if name not in self.items:
            with nobody():
                self._note("items", name, answers["item"](name))

    def changed_collection(self, place: tuple[str, str]) -> None:
        """Note that a collection was changed: then it is the body's own, as a memo."""
        self._note("own_collections", place)

    def asked_where_it_is(self) -> None:
        """Note that somebody asks for the working directory."""
        if self.tell is not None and not self.asks_where_it_is:
            self.tell("asks_where_it_is", None, None)
        self.asks_where_it_is = True

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was seen."""
        return not (
            self.names or self.listings or self.sights or self.looks or self.facts
            or self.variables or self.passed or self.modules or self.items
        )  # fmt: skip

    def imported(self, name: str) -> None:
        """Note that a module, or a class in one, is had by a name that was worked out."""
        self._note("modules", name)

    def is_own(self, path: str) -> bool:
        """Tell whether `path` is, or lies in, a folder that the body made."""
        return bool(self._own_folders) and (path + os.sep).startswith(self._own_folders)

    def _is_its_doing(self, path: str) -> bool:
        return path in self.touched or self.is_own(path)

    def _note(self, what: str, key: Any, value: Any = None) -> None:
        notes = getattr(self, what)
        if self.tell is not None and key not in notes:
            self.tell(what, key, value)
        notes[key] = value

    def _from_start(self, name: str) -> str:
        return os.path.normpath(os.path.join(self.start, name))

    def _sight(self, path: str) -> Sight | None:
        """Return the notes on `path`, begun if need be; None: it does not count, or is a folder."""
        sight = self.sights.get(path)
        if sight is None:
            if self._is_ignored(path):
                return None
            found = state(path)
            if found is not None and not stat.S_ISREG(found.st_mode):
                return None
            sight = self.sights.setdefault(path, Sight(found))
        return sight

    def _write(self, path: str, sight: Sight, *, is_own: bool) -> None:
        self._note("touched", path)
        if self.tell is not None and not sight.is_written:
            self.tell("written", path, (sight.first, is_own))
        sight.is_written = True
        # What was read before, it had from somebody else.
        sight.is_own = sight.is_own or (is_own and not sight.is_read)

    def _is_ignored(self, path: str) -> bool:
        if path.startswith(self._ignored) or is_bytecode(path) or is_of_a_cache(path):
            return True
        return path.startswith(self._home + ".") and is_package_cache(path, self._home)
