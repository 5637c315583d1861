"""Decides which settings of libraries are in force: what the user's programs have done so far.

What of them counts for a piece of code is decided by ``concerns``.
"""

from __future__ import annotations

import sys
import threading
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.fingerprint.code.acts import Setting
from stagecache.fingerprint.code.programs import Source, sources, state
from stagecache.fingerprint.looking import own_names

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from stagecache.fingerprint.code.acts import Call, Items


class InForce:
    """A setting with the names that it was made with.

    Parameters
    ----------
    setting : Setting
        What it is. That of a call which passes something on is the setting that it leads to.
    code : CodeType
        Of a function that makes it.
    namespace : dict
        Where that looks up names.
    text : str
        How a person wrote it.
    """

    def __init__(
        self, setting: Setting, code: CodeType, namespace: dict[str, Any], text: str
    ) -> None:
        self.setting = setting
        self.code = code
        self.namespace = namespace
        self.text = text
        self.key: tuple[int, ...] = (id(code), id(namespace))
        """Equal for what is made of the same code and of the same things, while this lives."""


class _Programs(NamedTuple):
    """The programs that have run, as far as they set anything."""

    state: tuple[object, ...]
    setting: list[Source]
    """Those that set anything when they are run."""
    namespaces: frozenset[int]
    """Of these, and of the functions that do, by identity."""
    functions: dict[tuple[int, int, str], Items]
    """What is set in functions, by the namespace, first line and name of each."""


class _Last(NamedTuple):
    """What was in force when somebody asked last."""

    programs: _Programs
    lines: list[tuple[int, int]]
    found: tuple[InForce, ...]


_last = _Last(_Programs((), [], frozenset(), {}), [], ())


def in_force() -> tuple[InForce, ...]:
    """Return what the user's programs have set in libraries so far.

    Of a program that runs, that is what stands above the line at which it is. What the body of a
    stage sets is in force while it runs only: a hit would not set it.
    """
    global _last
    last = _last
    programs = last.programs
    if state() != programs.state or any(one.is_loaded_again for one in programs.setting):
        programs = _programs()
    if not programs.namespaces:
        if programs is not last.programs:
            _last = _Last(programs, [], ())
        return ()
    frames = _frames(programs.namespaces)
    lines = [(id(frame.f_code), frame.f_lineno) for frame in frames]
    is_same = programs is last.programs and lines == last.lines
    if is_same and not any(_place(frame) in programs.functions for frame in frames):
        return last.found
    found = _Collection(programs, frames).result()
    if [one.key for one in found] == [one.key for one in last.found]:
        found = last.found
    _last = _Last(programs, lines, found)
    return found


def _programs() -> _Programs:
    now = state()
    found = sources()
    names: set[str] = set()
    setting: dict[tuple[int, int, str], Items] = {}
    while True:  # what calls a function that sets something does so, too
        setting = {
            (id(source.namespace), *place): items
            for source in found
            for place, items in source.functions.items()
            if _sets(items, names)
        }
        more = {place[2] for place in setting} - names
        if not more:
            break
        names |= more
        for source in found:
            if source.calls_any(more):
                source.read()
    at_once = [source for source in found if _sets(source.items, names)]
    namespaces = {place[0] for place in setting}.union(id(one.namespace) for one in at_once)
    return _Programs(now, at_once, frozenset(namespaces), setting)


def _sets(items: Items, names: set[str]) -> bool:
    """Tell whether items set something, or call one of the functions of these names."""
    return any(isinstance(item, Setting) or item.called in names for item in items)


def _frames(namespaces: frozenset[int]) -> list[FrameType]:
    """Return the frames of programs that set anything, the outermost first."""
    found: list[FrameType] = []
    starts: list[FrameType | None] = [sys._getframe(2)]
    main = threading.main_thread()
    if threading.current_thread() is not main:
        starts.append(sys._current_frames().get(main.ident or 0))
    for start in starts:
        frame = start
        while frame is not None:
            if id(frame.f_globals) in namespaces:
                found.append(frame)
            frame = frame.f_back
    return found[::-1]


def _place(frame: FrameType) -> tuple[int, int, str]:
    code = frame.f_code
    return id(frame.f_globals), code.co_firstlineno, code.co_name


class _Collection:
    """Collects what is in force.

    Parameters
    ----------
    programs : _Programs
        Those that have run.
    frames : list of FrameType
        Where those that set anything are.
    """

    def __init__(self, programs: _Programs, frames: list[FrameType]) -> None:
        self._functions = programs.functions
        self._found: dict[str, InForce] = {}
        self._entered = {_place(frame) for frame in frames}
        for source in programs.setting:
            at = next((frame.f_lineno for frame in frames if _is_of(frame, source)), None)
            self._take(source.items, source.namespace, at)
        for frame in frames:
            items = self._functions.get(_place(frame))
            if items:
                held = {**frame.f_globals, **frame.f_locals}
                self._take(items, held, frame.f_lineno, is_running=True)

    def result(self) -> tuple[InForce, ...]:
        return tuple(sorted(self._found.values(), key=lambda one: one.setting.group))

    def _take(
        self, items: Items, namespace: dict[str, Any], at: int | None, *, is_running: bool = False
    ) -> list[Setting]:
        """Take what is set up to the line `at`; None: all of it was run."""
        taken: list[Setting] = []
        for item in items:
            place = item.place
            if place.is_of_scripts and namespace.get("__name__") != "__main__":
                continue
            if at is not None and place.line > at:
                continue
            if place.until and (at is None or at > place.until):
                continue
            if isinstance(item, Setting):
                is_turning = at is not None and place.line <= at <= place.end
                code = item.turn if is_turning and item.turn is not None else item.code
                self._add(item.target, item, code, namespace, item.text, is_running)
                taken.append(item)
            else:
                taken += self._take_call(item, namespace, is_running)
        return taken

    def _take_call(self, call: Call, namespace: dict[str, Any], is_running: bool) -> list[Setting]:
        function = _called(call.names, namespace)
        if function is None:
            return []
        code = function.__code__
        place = (id(function.__globals__), code.co_firstlineno, code.co_name)
        items = self._functions.get(place, ())
        if not items or place in self._entered:
            return []
        self._entered.add(place)
        taken = self._take(items, function.__globals__, None)
        self._entered.discard(place)
        given = call.given() if taken else None
        if given is not None:
            for setting in taken:
                target = f"{'.'.join(call.names)}() {setting.target}"
                self._add(target, setting, given[0], namespace, given[1], is_running)
        return taken

    def _add(
        self,
        target: str,
        setting: Setting,
        code: CodeType,
        namespace: dict[str, Any],
        text: str,
        is_running: bool,
    ) -> None:
        self._found.pop(target, None)  # the last one of those that set the same
        if is_running:
            namespace = {name: namespace[name] for name in code.co_names if name in namespace}
        made = self._found[target] = InForce(setting, code, namespace, text)
        if is_running:
            made.key = (id(code), *map(id, namespace.values()))


def _is_of(frame: FrameType, source: Source) -> bool:
    if source.file:
        return frame.f_code.co_filename == source.file and frame.f_locals is frame.f_globals
    return frame.f_code.co_name == "<module>" and frame.f_globals is source.namespace


def _called(names: tuple[str, ...], namespace: dict[str, Any]) -> FunctionType | None:
    """Return the function of that name, found through modules only."""
    found = namespace.get(names[0])
    for name in names[1:]:
        if not issubclass(type(found), ModuleType):
            return None
        found = own_names(found).get(name)
    while isinstance(found, FunctionType) and "__wrapped__" in found.__dict__:
        found = found.__dict__["__wrapped__"]
    return found if isinstance(found, FunctionType) else None
