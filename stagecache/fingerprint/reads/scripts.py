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
    from collections.abc import Iterator, Sequence

_MOST = 1000
_WITH_A_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})
_LIBRARIES = ("site-packages", "dist-packages")

Imports = tuple[tuple[int, str], ...]
"""How many folders up each begins, as dots say, and its name."""


def files_of_program(words: Sequence[str], folder: str, paths: str) -> Iterator[str]:
    """Yield the files of a program, as seen from `folder` where that can be.

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
        return
    above = os.path.dirname(told) if option == "" else ""
    libraries = (sys.prefix, sys.base_prefix, *_LIBRARIES)
    roots = [above, *filter(None, paths.split(os.pathsep))]
    roots += [path for path in sys.path if path and not any(one in path for one in libraries)]
    with nobody():
        yield from _reached(option, told, folder, roots)


def _told(words: Sequence[str]) -> tuple[str, str]:
    """Return by which option the program is named, ``""`` for a file, and the name or the text."""
    at = 1
    while at < len(words) and words[at].startswith("-"):
        if words[at] in ("-c", "-m"):
            return words[at], words[at + 1] if at + 1 < len(words) else ""
        at += 2 if words[at] in _WITH_A_VALUE else 1
    return "", words[at] if at < len(words) else ""


def _reached(option: str, told: str, folder: str, roots: Sequence[str]) -> Iterator[str]:
    found: dict[str, None] = {}
    if option == "-m":
        waiting = [*_files(told, folder, roots), *_files(f"{told}.__main__", folder, roots)]
    elif option == "-c":
        waiting = [file for _, name in _imports(told) for file in _files(name, folder, roots)]
    else:
        waiting = [told]
    while waiting and len(found) < _MOST:
        file = waiting.pop()
        if file in found:
            continue
        found[file] = None
        yield file
        for dots, name in _imports_in(os.path.join(folder, file)):
            above = file
            for _ in range(dots):
                above = os.path.dirname(above)
            waiting += _files(name, folder, [above] if dots else roots)


def _files(name: str, folder: str, roots: Sequence[str]) -> Iterator[str]:
    """Yield the files of a module and of the packages above it."""
    parts = name.split(".")
    for root in roots:
        is_there = False
        for count in range(1, len(parts) + 1):
            path = os.path.join(root, *parts[:count])
            for file in (f"{path}.py", os.path.join(path, "__init__.py")):
                if os.path.isfile(os.path.join(folder, file)):
                    is_there = True
                    yield file
        if is_there:
            return


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
