"""The word `File`: a path whose contents and name count as an input, not the string."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class File(os.PathLike[str]):
    """A file as an argument or as a result of a stage: its bytes count, and its name.

    The path may be absolute or relative to the working directory; where the file lies does
    not count, so a moved project keeps its results. Annotating a parameter with ``File``
    turns the plain path that a caller passes into one.

    Parameters
    ----------
    path : str or os.PathLike
        Where the file is.
    name : bool, str or None, optional
        Whether the file's name counts beside its contents. Bodies use ``path.stem`` and
        directories such as ``year=2013/``, so it does by default. A str is the name that counts,
        None is the same as False.

    Examples
    --------
    >>> f = File("data/2013-01.csv")
    >>> f.stem, f.counted_name
    ('2013-01', '2013-01.csv')
    >>> File("data/2013-01.csv", name=False).counted_name is None
    True
    """

    __slots__ = ("_counted", "_path")

    def __init__(self, path: str | os.PathLike[str], *, name: bool | str | None = True) -> None:
        self._path: str = os.fspath(path)
        if not isinstance(self._path, str):
            raise TypeError(f"a File takes a str or path-like path, not {type(path).__name__}")
        self._counted: str | None
        if isinstance(name, str):
            self._counted = name
        elif not name:
            self._counted = None
        elif isinstance(path, File):
            self._counted = path._counted
        else:
            self._counted = os.path.basename(self._path)

    @classmethod
    def glob(cls, pattern: str | os.PathLike[str], *, name: bool = True) -> list[File]:
        """Return the files that match `pattern`, sorted by path.

        Their counted names are relative to the part of the pattern before its first wildcard,
        so that moving the whole folder changes nothing.

        Parameters
        ----------
        pattern : str or os.PathLike
            As in :func:`glob.glob`; ``**`` matches folders of any depth.
        name : bool, optional
            As in :class:`File`.

        Examples
        --------
        >>> File.glob("no/such/folder/*.csv")
        []
        """
        import glob as globbing

        text = os.fspath(pattern)
        root = text
        while root and globbing.has_magic(root):
            root = os.path.dirname(root)
        if root == text:
            root = os.path.dirname(text)
        found = []
        for path in sorted(globbing.glob(text, recursive=True, include_hidden=False)):
            if os.path.isfile(path):
                relative = os.path.relpath(path, root) if root else path
                found.append(cls(path, name=name and relative.replace(os.sep, "/")))
        return found

    @property
    def counted_name(self) -> str | None:
        """The name that counts as an input; None if only the contents count."""
        return self._counted

    @property
    def path(self) -> Path:
        """The same as a :class:`pathlib.Path`."""
        from pathlib import Path

        return Path(self._path)

    @property
    def name(self) -> str:
        """Last component of the path."""
        return os.path.basename(self._path)

    @property
    def stem(self) -> str:
        """Last component without its suffix."""
        return self.path.stem

    @property
    def suffix(self) -> str:
        """The last suffix, with its dot."""
        return self.path.suffix

    @property
    def parent(self) -> Path:
        """The folder."""
        return self.path.parent

    @property
    def parts(self) -> tuple[str, ...]:
        """Components of the path."""
        return self.path.parts

    def exists(self) -> bool:
        """Tell whether there is anything at the path."""
        return os.path.exists(self._path)

    def open(self, mode: str = "r", **options: Any) -> IO[Any]:
        """Open the file as the built-in ``open`` does."""
        return open(self._path, mode, **options)

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the whole text."""
        with open(self._path, encoding=encoding) as stream:
            return stream.read()

    def read_bytes(self) -> bytes:
        """Return the whole contents."""
        with open(self._path, "rb") as stream:
            return stream.read()

    def __fspath__(self) -> str:
        return self._path

    def __str__(self) -> str:
        return self._path

    def __repr__(self) -> str:
        return f"File({self._path!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, File):
            return NotImplemented
        return (self._path, self._counted) == (other._path, other._counted)

    def __lt__(self, other: File) -> bool:
        return self._path < other._path

    def __hash__(self) -> int:
        return hash((self._path, self._counted))

    def __reduce__(self) -> tuple[Any, ...]:
        return _file, (self._path, self._counted)


def _file(path: str, counted: str | None) -> File:
    return File(path, name=counted)
