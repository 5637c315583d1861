"""Finds the programs of the user's that a process has run: modules, the script, cells.

Each is read once, when it is first met; what it sets in libraries is found by ``statements``.
"""

from __future__ import annotations

import os
import sys
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_digest

from stagecache import model
from stagecache.fingerprint.code.acts import Place, Program, Setting
from stagecache.fingerprint.code.meanings import Names, is_program
from stagecache.fingerprint.looking import own_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

    from stagecache.fingerprint.code.acts import Items

_KIND = "no settings"
_STARTED = time.time()
_NOTHING = Program((), {})


class Source:
    """A module or a cell, as it was when it was first met.

    Parameters
    ----------
    namespace : dict
        Its globals.
    text : str
        Its program.
    names : Names
        What names stand for before it runs.
    file : str, optional
        What its code calls the file it is from, if it is a cell.
    """

    def __init__(self, namespace: dict[str, Any], text: str, names: Names, file: str = "") -> None:
        self.namespace = namespace
        self.made_by = namespace.get("__spec__")
        self.file = file
        self._text = text
        self._names = names
        self._program: Program | None = None
        self._is_whole = bool(file)  # a cell brings names for those after it

    @property
    def is_loaded_again(self) -> bool:
        """Whether the module is not what was met any more."""
        return self.namespace.get("__spec__") is not self.made_by

    @property
    def items(self) -> Items:
        """What it sets when it is run."""
        return self._found().items

    @property
    def functions(self) -> dict[tuple[int, str], Items]:
        """What is set in its functions."""
        return self._found().functions

    def calls_any(self, names: set[str]) -> bool:
        """Tell whether it may call functions of these names, which was not looked for."""
        return not self._is_whole and any(name in self._text for name in names)

    def read(self) -> None:
        """Find all that it does to libraries, and the functions that it calls."""
        self._program = self._read()
        self._is_whole = True

    def read_as(self, code: CodeType) -> None:
        """Take all of a running program for one setting: its text is another by now."""
        whole = Setting("*", "", "", Place(0, 0), False, code, None, "the program that runs")
        self._program, self._is_whole = Program((whole,), {}), True

    def _found(self) -> Program:
        # Threads that ask at once may both read it: what they find is the same.
        program = self._program
        if program is None:
            program = self._program = self._read() if self._is_whole else self._looked_for()
        return program

    def _looked_for(self) -> Program:
        """Find what it sets by itself; that it sets nothing is remembered."""
        memo = model.memo.get()
        key = xxh3_128_digest(self._text.encode("utf-8", "surrogatepass"))
        if memo is not None and memo.recall(_KIND, key) is not None:
            return _NOTHING
        from stagecache.fingerprint.code.setters import may_set

        program = self._read() if may_set(self._text) else _NOTHING
        parts = (program.items, *program.functions.values())
        if not any(isinstance(item, Setting) for items in parts for item in items):
            if memo is not None and not self._names.doubts:
                memo.remember(_KIND, key, b"")
            return _NOTHING
        self._is_whole = True
        return program

    def _read(self) -> Program:
        from stagecache.fingerprint.code.statements import read_program

        try:
            return read_program(self._text, self._names)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return _NOTHING  # what is no program, or too deep a one, has not run either


class _Known:
    def __init__(self) -> None:
        self.modules: dict[str, tuple[object, Source | None]] = {}
        self.cells: dict[str, Source] = {}
        self.names = Names()
        """What names stand for in cells, after those so far."""
        self.shell: Any = None
        self.met: tuple[object, ...] = ()


_known = _Known()


def state() -> tuple[object, ...]:
    """Return what differs when a program has come to those that were met."""
    modules, shell, newest = sys.modules, _known.shell, _newest()
    if shell is None:
        return len(modules), newest
    return len(modules), newest, len(shell.compile._filename_map), shell.execution_count


def _newest() -> object:
    modules = sys.modules
    while True:
        try:
            return modules.get(next(reversed(modules)))
        except RuntimeError:  # another thread has just imported one
            continue


def sources() -> list[Source]:
    """Return the programs that have run, and those that run, in this order."""
    found = [*_modules(), *_cells()]
    _known.met = state()
    return found


def meet() -> None:
    """Read the programs that have come since; before anybody can have edited them."""
    if state() != _known.met:
        sources()


def _modules() -> list[Source]:
    found: dict[int, Source] = {}
    known = _known.modules
    for name, module in list(sys.modules.items()):
        kind = type(module)
        if not issubclass(kind, ModuleType) or kind.__name__ == "_LazyModule":
            continue  # it is loaded when it is looked at
        namespace = object.__getattribute__(module, "__dict__")
        made_by = namespace.get("__spec__") or namespace
        if name not in known or known[name][0] is not made_by:
            known[name] = made_by, _source_of(name, namespace)
        source = known[name][1]
        if source is not None:
            found[id(source.namespace)] = source
    return list(found.values())


def _source_of(name: str, namespace: dict[str, Any]) -> Source | None:
    file = namespace.get("__file__")
    if not isinstance(file, str) or not file.endswith(".py") or not is_program(name):
        return None
    import linecache  # of a program that has no file it is not asked

    linecache.checkcache(file)
    text = "".join(linecache.getlines(file, namespace))
    source = Source(namespace, text, Names(str(namespace.get("__package__") or "")))
    frame = running(namespace)
    if frame is not None and _is_edited(file) and not _is_text_of(text, frame):
        source.read_as(frame.f_code)
    return source


def running(namespace: dict[str, Any]) -> FrameType | None:
    """Return the frame in which a module is run just now, in this thread or in another."""
    for frame in list(sys._current_frames().values()):
        outer: FrameType | None = frame
        while outer is not None:
            if outer.f_globals is namespace and outer.f_code.co_name == "<module>":
                return outer
            outer = outer.f_back
    return None


def _is_edited(file: str) -> bool:
    try:
        return os.stat(file).st_mtime > _STARTED
    except OSError:
        return False


def _is_text_of(text: str, frame: FrameType) -> bool:
    try:
        code = compile(text, frame.f_code.co_filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return code == frame.f_code


def _cells() -> Iterator[Source]:
    """Yield the cells that IPython has compiled, in the order in which they were run last."""
    namespace = own_names(sys.modules.get("__main__"))
    ask = namespace.get("get_ipython")
    if ask is None or "IPython" not in sys.modules:
        return
    try:
        shell = ask()
        numbers = dict(shell.compile._filename_map)
    except Exception:  # noqa: BLE001 - whatever calls itself get_ipython
        return
    import linecache

    _known.shell = shell
    for file in sorted(numbers, key=numbers.__getitem__):
        source = _known.cells.get(file)
        if source is None:
            text = "".join(linecache.getlines(file))
            source = _known.cells[file] = Source(namespace, text, _known.names, file)
        yield source
