"""Records what one body reads and writes, and what it is told of by others.

What happens is noted by ``sightings``; what it comes to is judged by ``judging``.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stagecache.file import File
from stagecache.fingerprint.looking import things_in
from stagecache.fingerprint.reads.attached import attached_in
from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.check import contents_digest, is_same, state
from stagecache.fingerprint.reads.judging import Judging
from stagecache.fingerprint.reads.sightings import Sightings
from stagecache.model import Read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from stagecache.fingerprint.code.keeping import Memo

_LONGEST_PATH = 4096


class Recorder(Judging):
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
    memos : tuple of Memo, optional
        Functions that the body reaches and that keep what they made.

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
        memos: tuple[Memo, ...] = (),
    ) -> None:
        super().__init__(Sightings(), counted, names)
        self.memos = memos
        """Looked for as well in other processes that work for the body."""
        self.rests: list[Any] = []
        """What else the body rests on by what other processes did for it."""

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
            if isinstance(value, str):
                for name in attached_in(value):
                    self.seen.named_file(name)
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
            if not read.is_of_a_path:
                if not self.seen.sets(read.name):
                    self._absorb(read)
            elif not self._is_none(self.seen.path_of(read.name)):
                self._absorb(read._replace(name=self.seen.named(read.name)))
        for path in written:
            self.seen.made_file(path)

    def _absorb(self, read: Read) -> None:
        self._absorbed.append(read)
        self.tell("absorbed", read)

    def tell(self, what: str, value: Any) -> None:
        """Let the body know, if this is another process than its."""
        if self.seen.tell is not None:
            self.seen.tell(what, None, value)

    def hear(self) -> None:
        """Take over what other processes saw for the body."""
        if self.box is None or self.is_copy:
            return
        with nobody():
            for whom, *told in self.box.taken():
                for place in whom:
                    self.box.concerned[place].take(*told, start=self.seen.start)
            self.box.close()
            self.box = None

    def take(self, what: str, key: Any, value: Any, *, start: str) -> None:
        """Take over what another process noted.

        Parameters
        ----------
        what, key, value
            As it was told.
        start : str
            Where the body began, from where names are seen.
        """
        self._settled = None
        if what == "absorbed":
            path = os.path.normpath(os.path.join(start, value.name))
            if not value.is_of_a_path or not self._is_none(path):
                self._absorbed.append(value)
        elif what == "rests":
            self.rests.append(value)
        else:
            self.seen.take(what, key, value)

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
