"""Decides which files and variables a program that the body starts is told of.

What a child opens and reads by itself is not seen; what its words name are inputs of the body, and
what the words of a script name that a shell is given.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.scripts import files_of_program
from stagecache.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stagecache.fingerprint.reads.sightings import Sightings

_LONGEST_PATH = 4096
_LONGEST_SCRIPT = 1 << 20
_SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh"})
_SCRIPTS = tuple(f".{shell}" for shell in _SHELLS)
_SHEBANG = re.compile(rb"#!.*\b(?:ba|da|k|z)?sh\b")
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
    child = _Child(seen, os.fsdecode(folder) if folder else "", environ)
    child.note_program(words[:1], words)
    for position, text in enumerate(words):
        if not text or (position == 0 and os.path.isabs(text)):
            continue
        before = words[position - 1] if position else ""
        if position > 1 and before == "-c" and _is_shell(words[0]):
            child.note_command(text)
        elif before in _PROGRAMS or before == "-m":
            is_python = _PYTHON.match(os.path.basename(words[0])) is not None
            child.note_files(_files_of_a_program(text, is_python=is_python))
            if before != "-m":
                child.note_variables(_IN_A_PROGRAM.findall(text))
        else:
            child.note_files(_files_of_a_word(text))


def runs_shell(seen: Sightings, command: Any) -> None:
    """Note what a shell is told when it is run."""
    starts(seen, None, ["sh", "-c", command], None, None)


class _Child:
    """A program that is started, and what it is told.

    Parameters
    ----------
    seen : Sightings
        Of the body.
    where : str
        The folder that it is started in; empty if it is the body's.
    environ : mapping or None
        Its variables; None if they are the body's.
    """

    def __init__(self, seen: Sightings, where: str, environ: Any) -> None:
        self._seen = seen
        self._folders = [where]
        """In which its names may lie."""
        self._environ = environ
        self._scripts: set[str] = set()

    def note_files(self, names: Iterable[str]) -> None:
        """Note the files among some names; what a script tells a shell is told as well."""
        for name in names:
            for folder in self._folders if len(name) <= _LONGEST_PATH else ():
                path = os.path.join(folder, name)
                self._seen.named_file(path)
                if path not in self._scripts:
                    self._scripts.add(path)
                    text = _text_of_a_script(path)
                    if text is not None:
                        self.note_command(text)

    def note_command(self, text: str) -> None:
        """Note what a shell is told by a text."""
        words = _words_of_a_shell(text)
        for before, word in pairwise(words):
            if before == "cd":
                self._folders.append(os.path.join(self._folders[0], word))
        self.note_program(words, words)
        self.note_files(name for word in words for name in _files_of_a_word(word))
        for word in words:
            if glob.has_magic(word):
                self._note_pattern(word)
        self.note_variables(_IN_A_SHELL.findall(text))

    def note_variables(self, names: Iterable[str]) -> None:
        """Note those of some variables that are given to it as the body has them."""
        for name in names:
            if self._is_inherited(name):
                self._seen.read_variable(name)

    def note_program(self, starting: list[str], words: list[str]) -> None:
        """Note the files of a program of Python that begins with one of the words `starting`."""
        where = self._folders[0]
        for at, word in enumerate(starting):
            is_python = _PYTHON.match(os.path.basename(word)) is not None
            if is_python or (not at and word.endswith(".py")):
                program = words[at:] if is_python else ["python", *words]
                for name in files_of_program(program, where, self._given("PYTHONPATH") or ""):
                    self._seen.named_file(os.path.join(where, name))

    def _note_pattern(self, pattern: str) -> None:
        for folder in self._folders:
            path = os.path.join(folder, pattern)
            above = os.path.dirname(path) or os.curdir
            with nobody():
                found = glob.glob(path)
                is_one = os.path.isdir(above)
            if is_one:
                self._seen.listed(above)
            for each in found:
                self._seen.named_file(each)

    def _is_inherited(self, name: str) -> bool:
        """Tell whether it is given a variable as this process has it."""
        if self._environ is None:
            return True
        given = self._given(name)
        with nobody():
            return given is not None and given == os.environ.get(name)

    def _given(self, name: str) -> str | None:
        with nobody():
            if self._environ is None:
                return os.environ.get(name)
            found = [value for key, value in self._environ.items() if os.fsdecode(key) == name]
        return os.fsdecode(found[0]) if found else None


def _is_shell(program: str) -> bool:
    return os.path.basename(program) in _SHELLS


def _files_of_a_word(word: str) -> list[str]:
    """Return what a word may name: itself, or a part of it, as in ``--in=a.csv``, ``-fa.csv``."""
    found = [word]
    if word.startswith("-") and word[1:2] != "-":
        found.append(word[2:])
    return [*found, *re.split("[=:,]", word)[1:]]


def _files_of_a_program(text: str, *, is_python: bool) -> Iterator[str]:
    """Yield what may be files in the text of a program: its words, and modules in one of Python."""
    for word in _WORDS.findall(text):
        yield word
        if is_python:
            yield word.replace(".", os.sep) + ".py"


def _words_of_a_shell(text: str) -> list[str]:
    import shlex

    words = shlex.shlex(text, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    try:
        return list(words)
    except ValueError:  # a document in it, or no shell would take it
        return _WORDS.findall(text)


def _text_of_a_script(path: str) -> str | None:
    """Return what a shell is told by a file; None if it is no script of one."""
    try:
        with nobody():
            is_file = stat.S_ISREG(os.stat(path).st_mode)
        if not is_file:  # the other end of a pipe is not for us
            return None
        with nobody(), Reading(path) as stream:
            head = stream.read(_LONGEST_PATH)
            if not path.endswith(_SCRIPTS) and not _SHEBANG.match(head):
                return None
            return (head + stream.read(_LONGEST_SCRIPT)).decode(errors="replace")
    except (OSError, ValueError):
        return None
