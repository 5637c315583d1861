"""Finds the files that a program of Python consists of which the body starts, but for libraries.

What it imports by plain statements is found by its text, in it and in what it imports.
"""

from __future__ import annotations

import ast
import functools
import os
import sys
from typing import TYPE_CHECKING

from stagecache.fingerprint.code.parsing import parse
from stagecache.fingerprint.reads.attribution import nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST = 1000
_WITH_A_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})
_LIBRARIES = ("site-packages", "dist-packages")
_OWN = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
"""Where stagecache itself lies, which is no input."""

Imports = tuple[tuple[int, str], ...]
"""How many folders up each begins, as dots say, and its name."""


def files_of_program(words: Sequence[str], folder: str, paths: str) -> list[str]:
    """Return the files of a program, as seen from `folder` where that can be.

    Parameters
    ----------
    words : sequence of str
        The interpreter, its options, and what follows them.
    folder : str
        Where it works.
    paths : str
        Its ``PYTHONPATH``.
    """
    option, told = _told(words)
    if not told:
        return []
    above = os.path.dirname(told) if option == "" else ""
    libraries = (sys.prefix, sys.base_prefix, *_LIBRARIES)
    roots = [above, *filter(None, paths.split(os.pathsep))]
    roots += [path for path in sys.path if path and not any(one in path for one in libraries)]
    with nobody():
        return _reached(option, told, _Modules(folder, list(dict.fromkeys(roots))))


def _told(words: Sequence[str]) -> tuple[str, str]:
    """Return by which option the program is named, ``""`` for a file, and the name or the text."""
    at = 1
    while at < len(words) and words[at].startswith("-"):
        if words[at] in ("-c", "-m"):
            return words[at], words[at + 1] if at + 1 < len(words) else ""
        at += 2 if words[at] in _WITH_A_VALUE else 1
    return "", words[at] if at < len(words) else ""


class _Modules:
    """Where modules lie; each file and folder is looked for once, however many import it.

    Parameters
    ----------
    folder : str
        From where paths are seen.
    roots : sequence of str
        Where modules are looked for, in this order.
    """

    def __init__(self, folder: str, roots: Sequence[str]) -> None:
        self.folder = folder
        self._roots = roots
        self._is_file: dict[str, bool] = {}
        self._is_folder: dict[str, bool] = {}
        self._found: dict[tuple[str, str | None], list[str]] = {}

    def files_of(self, name: str, above: str | None = None) -> list[str]:
        """Return the files of a module and of the packages above it, which may begin at `above`."""
        found = self._found.get((name, above))
        if found is None:
            parts = name.split(".")
            roots = self._roots if above is None else [above]
            found = next(filter(None, (self._below(root, parts) for root in roots)), [])
            self._found[name, above] = found
        return found

    def _below(self, root: str, parts: Sequence[str]) -> list[str]:
        found = []
        path = root
        for part in parts:
            path = os.path.join(path, part)
            files = (f"{path}.py", os.path.join(path, "__init__.py"))
            found += [file for file in files if self._asked(self._is_file, os.path.isfile, file)]
            if not self._asked(self._is_folder, os.path.isdir, path):
                break  # what follows is a name in a module
        return found

    def _asked(self, known: dict[str, bool], ask: Callable[[str], bool], path: str) -> bool:
        answer = known.get(path)
        if answer is None:
            answer = known[path] = ask(os.path.join(self.folder, path))
        return answer


def _reached(option: str, told: str, modules: _Modules) -> list[str]:
    found: dict[str, None] = {}
    if option == "-m":
        waiting = [*modules.files_of(told), *modules.files_of(f"{told}.__main__")]
    elif option == "-c":
        waiting = [file for _, name in _imports(told) for file in modules.files_of(name)]
    else:
        waiting = [told]
    while waiting and len(found) < _MOST:
        file = waiting.pop()
        path = os.path.join(modules.folder, file)
        if file in found or path.startswith(_OWN):
            continue
        found[file] = None
        for dots, name in _imports_in(path):
            above = file
            for _ in range(dots):
                above = os.path.dirname(above)
            waiting += modules.files_of(name, above if dots else None)
    return list(found)


def _imports_in(path: str) -> Imports:
    try:
        found = os.stat(path)
        return _imports_of(path, found.st_mtime_ns, found.st_size)
    except OSError:
        return ()


@functools.lru_cache(_MOST)
def _imports_of(path: str, _age: int, _size: int) -> Imports:
    if not path.endswith((".py", ".pyw")):
        return ()
    with open(path, encoding="utf-8", errors="replace") as stream:
        return _imports(stream.read())


def _imports(text: str) -> Imports:
    try:
        tree = parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    found: dict[tuple[int, str], None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({(0, alias.name): None for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            start = f"{node.module}." if node.module else ""
            found.update({(node.level, start + alias.name): None for alias in node.names})
    return tuple(found)
