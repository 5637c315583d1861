"""Judges, when a body has ended, which files it read, wrote, or saw change.

What happened meanwhile is noted by ``sightings``; whether a read is unchanged later is decided by
``check``.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stagecache.file import File
from stagecache.fingerprint.looking import things_in
from stagecache.fingerprint.reads.attribution import Owner, nobody
from stagecache.fingerprint.reads.check import (
    MISSING,
    THERE,
    UNSETTLED,
    contents_digest,
    digest_now,
    is_same,
    listing,
    listing_digest,
    module_digest,
    state,
)
from stagecache.fingerprint.reads.sightings import FACTS, Sightings
from stagecache.model import Read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from stagecache.fingerprint.reads.sightings import Sight

_LONGEST_PATH = 4096


class Recorder(Owner):
    """What one running body was seen to read and write.

    Make it right before the body: relative names are kept relative to the working directory of
    that moment.

    Parameters
    ----------
    counted : set of str, optional
        Environment variables and modules that the key of the result holds already.
    names : callable, optional
        Tells whether the code names an environment variable; asked where the body looks through
        all of them.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from stagecache.fingerprint.reads import recording
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "a.txt")
    ...     _ = path.write_text("text")
    ...     recorder = Recorder()
    ...     with recording(recorder):
    ...         _ = path.read_text()
    ...     [(read.kind, read.name == str(path)) for read in recorder.reads()]
    [('file', True)]
    """

    def __init__(
        self,
        *,
        counted: AbstractSet[str] = frozenset(),
        names: Callable[[str], bool] | None = None,
    ) -> None:
        self._counted = counted
        self._names = names
        self.seen = Sightings()
        super().__init__(self.seen)
        self._declared: set[str] = set()
        self._named: dict[str, str] = {}
        """Files that the body made and its result names: as it names them -> path."""
        self._absorbed: list[Read] = []
        self.rests: list[tuple[Any, ...]] = []
        """What else the body rests on by what other processes did for it."""
        self._settled: tuple[tuple[Read, ...], tuple[str, ...]] | None = None

    def declare(self, path: str | os.PathLike[str]) -> None:
        """Say that a file, or all in a folder, is an argument or was made by the body: no read.

        What the body has read already, and not written, remains a read.

        Parameters
        ----------
        path : str or os.PathLike
            Relative to the working directory of now.
        """
        self._settled = None
        declared = self.seen.path_of(os.fspath(path))
        sight = self.seen.sights.get(declared)
        if sight is None or not sight.is_read or sight.is_written:
            self._declared.add(declared)

    def give(self, path: str | os.PathLike[str]) -> None:
        """Say that a file is the result.

        One that was found instead of made is an input: to put it back would undo what somebody did
        to it since.

        Parameters
        ----------
        path : str or os.PathLike
            Relative to the working directory of now.
        """
        name = os.fspath(path)
        if self._was_found(self.seen.path_of(name)):
            with nobody():
                self.absorb([Read("file", name, contents_digest(name))])
        else:
            self.declare(name)

    def give_names(self, result: object) -> None:
        """Say what the result is: files of the body that it names are inputs from now on.

        Whoever gets the name from a hit is to find there what was made. A name of a folder is one
        of all that the body made in it, if the working directory is not in it as well.

        Parameters
        ----------
        result : object
            What the body returned; see :func:`~stagecache.fingerprint.looking.things_in`.
        """
        made = self.written()
        if not made:
            return
        self._settled = None
        for value in things_in([result]):
            if not isinstance(value, str | bytes | os.PathLike) or isinstance(value, File):
                continue
            if isinstance(value, str | bytes) and len(value) > _LONGEST_PATH:
                continue
            try:
                name = os.fsdecode(value)
                path = self.seen.path_of(name)
            except Exception:  # noqa: BLE001, S112 - anybody's __fspath__
                continue
            below = os.path.join(path, "")
            if path in made:
                self._named[name] = path
            elif name and not os.path.join(self.seen.start, "").startswith(below):
                inside = [each for each in made if each.startswith(below)]
                self._named.update(
                    {os.path.join(name, each[len(below) :]): each for each in inside}
                )

    def _was_found(self, path: str) -> bool:
        """Tell whether what is at a path was there before the body, as it is now."""
        now = state(path)
        if now is None or not stat.S_ISREG(now.st_mode) or now.st_ctime_ns >= self.seen.began:
            return False
        return path not in self.seen.touched and not self.seen.is_own(path)

    def note_argument_files(self, values: Any) -> None:
        """Note the files that the body is given the names of, before it runs.

        Native code may read them unseen. Those that are unchanged and unwritten when the body has
        ended count as reads. Every :class:`File` among the values is declared.

        Parameters
        ----------
        values : iterable
            The arguments; lists, tuples, sets and dicts are searched.
        """
        for value in _leaves(list(values)):
            if isinstance(value, File):
                self.declare(value)
            elif isinstance(value, str) and not _is_path(value):
                continue
            else:
                with suppress(Exception):  # anybody's __fspath__
                    self.seen.named_file(os.fsdecode(value))

    def absorb(self, reads: Iterable[Read], written: Iterable[str] = ()) -> None:
        """Take over what a stage that was called inside the body read and wrote, now or once.

        Parameters
        ----------
        reads : iterable of Read
            Of its entry.
        written : iterable of str
            Files that it wrote, or that a hit put back.
        """
        self._settled = None
        for read in reads:
            if read.kind in ("environment", "module", "probe", "item"):
                if not self.seen.sets(read.name):
                    self._absorb(read)
            elif not self._is_none(self.seen.path_of(read.name)):
                self._absorb(read._replace(name=self.seen.named(read.name)))
        for path in written:
            self.seen.made_file(path)

    def _absorb(self, read: Read) -> None:
        self._absorbed.append(read)
        self.tell_parent("absorbed", read)

    def tell_parent(self, what: str, *arguments: Any) -> None:
        """Let the process know that forked this one for the body, if one did."""
        if self.is_copy:
            with nobody():
                self.box.put(what, *arguments)

    def hear(self) -> None:
        """Take over what processes saw that were forked for the body."""
        if self.box is None or self.is_copy:
            return
        self._settled = None
        with nobody():
            for what, arguments in self.box.taken():
                if what == "absorbed":
                    self._absorbed += arguments
                elif what == "rests":
                    self.rests.append(arguments)
                else:
                    self.seen.replay(what, arguments)
            self.box.close()
            self.box = None

    def reads(self) -> tuple[Read, ...]:
        """Return what the body read, with the digests of now, sorted and each but once.

        What changed since the body first saw it has a digest that nothing will ever have again,
        also for the body that takes it over from here.
        """
        return self._settle()[0]

    def changed(self) -> tuple[str, ...]:
        """Return the names of what was read and changed while the body ran.

        A result that rests on it must not be kept.
        """
        return self._settle()[1]

    def written(self) -> tuple[str, ...]:
        """Return the paths of the files that the body created, wrote or moved into place.

        Only those count that are there now, and not as they were. Paths are absolute and sorted.
        """
        found = []
        for path, sight in sorted(self.seen.sights.items()):
            now = state(path) if sight.is_written else None
            if now and stat.S_ISREG(now.st_mode) and not is_same(now, sight.first):
                found.append(path)
        return tuple(found)

    def place_of(self, read: Read) -> str:
        """Return the path of what one of :meth:`reads` names."""
        return os.path.normpath(os.path.join(self.seen.start, read.name))

    def _settle(self) -> tuple[tuple[Read, ...], tuple[str, ...]]:
        if self._settled is None:
            found: dict[tuple[str, str], Read] = {}
            with nobody():
                own = [*self._files(), *self._folders(), *self._looks(), *self._outputs()]
                noted = [*own, *self._elsewhere(own), *self._others(), *self._items()]
                noted += [read for read in self._absorbed if not self._is_of_its_own(read)]
                for read in noted:
                    known = found.setdefault(read[:2], read)
                    if known.digest != read.digest:
                        found[read[:2]] = read._replace(digest=UNSETTLED)
            reads = tuple(found[key] for key in sorted(found))
            names = {read.shown for read in reads if read.digest == UNSETTLED}
            self._settled = reads, tuple(sorted(names))
        return self._settled

    def _files(self) -> Iterator[Read]:
        seen = self.seen
        for name, path in list(seen.names.items()):
            read = None if self._is_declared(path) else self._file(name, path, seen.sights[path])
            if read is not None:
                yield read
        for name, (path, before) in list(seen.candidates.items()):
            sight = seen.sights.get(path)
            if name in seen.names or self._is_none(path) or (sight and sight.is_written):
                continue
            digest = contents_digest(path)
            if is_same(before, state(path)):
                yield Read("file", name, digest)

    def _file(self, name: str, path: str, sight: Sight) -> Read | None:
        """Return what a read of `path` amounts to; None: it was the body's own doing."""
        # The digest first: if the stat is as before afterwards, it is of what the body read.
        digest = contents_digest(path)
        now = state(path)
        if sight.is_own and (now is None or not is_same(now, sight.first)):
            # Looked for before it was made: the body would find now what it made.
            return Read("file", name, digest) if now and path in self.seen.missed else None
        if now is None and sight.read_at is None:
            return Read("missing", name, MISSING)
        if now is None and self._was_temporary(path, sight):
            return None
        if sight.is_own or is_same(now, sight.read_at):
            return Read("file", name, digest)
        if sight.read_at is None and sight.is_written:  # likewise, by trying to open it
            return Read("file", name, digest)
        return Read("file", name, UNSETTLED)

    def _was_temporary(self, path: str, sight: Sight) -> bool:
        """Tell whether the body removed what a program of its own made while it ran."""
        at = sight.read_at
        return at is not None and path in self.seen.touched and at.st_ctime_ns > self.seen.began

    def _folders(self) -> Iterator[Read]:
        for name, (path, before) in list(self.seen.listings.items()):
            if self._is_none(path):
                continue
            digest = listing_digest(path)
            now = listing(path) or frozenset()
            strange = {
                each for each in before ^ now if os.path.join(path, each) not in self.seen.touched
            }
            yield Read("directory", name, UNSETTLED if strange else digest)

    def _looks(self) -> Iterator[Read]:
        """Yield what the body asked of files without opening them, where nothing else says so."""
        seen = self.seen
        for name, (path, was_there) in list(seen.looks.items()):
            if name in seen.names or name in seen.listings or self._is_none(path):
                continue
            if path not in seen.touched:  # else it would find now what it made
                yield Read("missing", name, THERE if was_there else MISSING)
        for (kind, name), (path, digest) in list(seen.facts.items()):
            if path not in seen.touched and not self._is_none(path):
                now = FACTS[kind](name, seen.start)
                yield Read(kind, name, digest if now == digest else UNSETTLED)

    def _outputs(self) -> Iterator[Read]:
        for name, path in self._named.items():
            if not self._is_declared(path):
                yield Read("file", name, contents_digest(path))

    def _elsewhere(self, reads: list[Read]) -> Iterator[Read]:
        """Yield once more, by relative names, what may have been found by the working directory.

        Whether it was cannot be told, so both have to be as they were.
        """
        if self.seen.asks_where_it_is:
            for read in reads:
                name = self.seen.beside(read.name)
                if name is not None:
                    yield read._replace(name=name)

    def _others(self) -> Iterator[Read]:
        for name, digest in list(self.seen.variables.items()):
            if name not in self._counted:
                yield Read("environment", name, digest)
        for name, digest in list(self.seen.passed.items()):
            if name not in self._counted and self._names is not None and self._names(name):
                yield Read("environment", name, digest)
        for name in list(self.seen.modules):
            if name not in self._counted:
                yield Read("module", name, module_digest(name))

    def _items(self) -> Iterator[Read]:
        for name, digest in list(self.seen.items.items()):
            read = Read("item", name, digest)
            if read.place not in self.seen.own_collections:
                yield read if digest_now(read) == digest else read._replace(digest=UNSETTLED)

    def _is_of_its_own(self, read: Read) -> bool:
        return read.kind == "item" and read.place in self.seen.own_collections

    def _is_none(self, path: str) -> bool:
        sight = self.seen.sights.get(path)
        return (
            self._is_declared(path)
            or self.seen.is_own(path)
            or (sight is not None and sight.is_own)
        )

    def _is_declared(self, path: str) -> bool:
        if not self._declared:
            return False
        above = path
        while above not in self._declared:
            above, below = os.path.dirname(above), above
            if above == below:
                return False
        return True


def _is_path(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_PATH and "\n" not in text and "\0" not in text


def _leaves(values: list[Any]) -> Iterator[Any]:
    """Yield the strings, bytes and path-like objects in nested containers, however deep."""
    seen: set[int] = set()
    waiting = [iter(values)]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, str | bytes | os.PathLike):
                yield value
            elif isinstance(value, dict | list | tuple | set | frozenset) and id(value) not in seen:
                seen.add(id(value))
                waiting.append(iter(list(value.values() if isinstance(value, dict) else value)))
                break
        else:
            waiting.pop()
