"""Decides which files and variables a program that the body starts is told of.

What a child opens and reads by itself is not seen; what its words name are inputs of the body.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.scripts import files_of_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stagecache.fingerprint.reads.sightings import Sightings

_LONGEST_PATH = 4096
_SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh"})
_PROGRAMS = frozenset({"-c", "-e", "--eval"})
"""What stands before the text of a program."""
_IN_A_SHELL = re.compile(r"\$\{?[#!]?([^\W\d]\w*)")
_WORDS = re.compile(r"[^\s'\"()\[\]{},;=]+")
_PYTHON = re.compile(r"python|pypy")
_IN_A_PROGRAM = re.compile(r"\b[A-Z_][A-Z\d_]*\b")


def starts(seen: Sightings, _program: Any, arguments: Any, folder: Any, environ: Any) -> None:
    """Note what a program is told when it is started."""
    told = [arguments] if isinstance(arguments, str | bytes) else list(arguments)
    words = ["" if isinstance(word, int) else os.fsdecode(word) for word in told]
    where = os.fsdecode(folder) if folder else ""
    _note_program(seen, words[:1], words, where, environ)
    for position, text in enumerate(words):
        if not text or (position == 0 and os.path.isabs(text)):
            continue
        before = words[position - 1] if position else ""
        is_command = position > 1 and before == "-c" and _is_shell(words[0])
        names: Iterable[str] = [text]
        if is_command:
            names = list(_words_of_a_shell(text))
            _note_program(seen, names, names, where, environ)
        elif before in _PROGRAMS or before == "-m":
            names = _files_of_a_program(text, _PYTHON.match(os.path.basename(words[0])) is not None)
        for name in names:
            if len(name) <= _LONGEST_PATH:
                seen.named_file(os.path.join(where, name))
        if is_command or before in _PROGRAMS:
            for name in (_IN_A_SHELL if is_command else _IN_A_PROGRAM).findall(text):
                if _is_inherited(name, environ):
                    seen.read_variable(name)


def runs_shell(seen: Sightings, command: Any) -> None:
    """Note what a shell is told when it is run."""
    starts(seen, None, ["sh", "-c", command], None, None)


def _note_program(
    seen: Sightings, starting: list[str], words: list[str], where: str, environ: Any
) -> None:
    """Note the files of a program of Python that begins with one of the words `starting`."""
    for at, word in enumerate(starting):
        is_python = _PYTHON.match(os.path.basename(word)) is not None
        if is_python or (not at and word.endswith(".py")):
            program = words[at:] if is_python else ["python", *words]
            paths = _given("PYTHONPATH", environ) or ""
            for name in files_of_program(program, where, paths):
                seen.named_file(os.path.join(where, name))


def _is_inherited(name: str, environ: Any) -> bool:
    """Tell whether a child is given a variable as this process has it."""
    if environ is None:
        return True
    given = _given(name, environ)
    with nobody():
        return given is not None and given == os.environ.get(name)


def _given(name: str, environ: Any) -> str | None:
    """Return a variable that a child is given."""
    with nobody():
        if environ is None:
            return os.environ.get(name)
        found = [value for key, value in environ.items() if os.fsdecode(key) == name]
    return os.fsdecode(found[0]) if found else None


def _is_shell(program: str) -> bool:
    return os.path.basename(program) in _SHELLS


def _files_of_a_program(text: str, is_python: bool) -> Iterator[str]:
    """Yield what may be files in the text of a program: its words, and modules in one of Python."""
    for word in _WORDS.findall(text):
        yield word
        if is_python:
            yield word.replace(".", os.sep) + ".py"


def _words_of_a_shell(text: str) -> Iterator[str]:
    import shlex

    words = shlex.shlex(text, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    try:
        yield from list(words)
    except ValueError:  # no shell would take it
        return
