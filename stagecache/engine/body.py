"""Runs one body and notes what its result rests on beside its arguments: reads, expiry, marks."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from stagecache.engine.elsewhere import Taken, files_in
from stagecache.engine.handing import calling
from stagecache.engine.noted import given_by
from stagecache.engine.resting import Call, called_in, together
from stagecache.engine.variants import modules_brought
from stagecache.errors import ImpureStageWarning, warn
from stagecache.file import File
from stagecache.fingerprint.code import Filling, counted_by, kept_by, packages_of, texts_of
from stagecache.fingerprint.derived import Warming
from stagecache.fingerprint.looking import things_in
from stagecache.fingerprint.reads.asking import is_in
from stagecache.fingerprint.reads.attached import attaches
from stagecache.fingerprint.reads.memos import Relied
from stagecache.fingerprint.reads.recorder import Recorder
from stagecache.fingerprint.reads.recording import recording
from stagecache.fingerprint.reads.unseen import unseen
from stagecache.marks import Epoch, stage_scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from stagecache.engine.context import Context
    from stagecache.engine.request import Request
    from stagecache.engine.resting import Got
    from stagecache.model import Entry, Read
    from stagecache.stage import Stage


class Body:
    """What is known of a body while it runs.

    Parameters
    ----------
    request : Request
        Whose body it is.
    bound : dict
        Its arguments.
    context : Context
        The engine's means: which marks are in force now, and where nobody's reads lie.

    Attributes
    ----------
    arguments : tuple of Argument
        With the parts of their values.
    """

    def __init__(self, request: Request, bound: dict[str, Any], context: Context) -> None:
        self.request = request
        self.bound = bound
        # Looked into before the body runs, for it may change them.
        self.arguments = tuple(request.with_parts(each, bound) for each in request.arguments())
        self._stage = request.stage
        self._recorder = None
        self._store = context.store
        self._home = context.home
        self._clock = context.clock
        self._got: dict[Got, None] = {}
        """What it rests on by results that it got of other stages."""
        self._is_steady = True
        """Whether objects that were taken for what they were before they were filled still are."""
        # Before the body runs: a mark that comes while it does concerns its result.
        self._numbers = context.store.marks_known()
        self._state = context.store.state
        """Of what is kept here, before the body got anything of it; see ``Tiered.state``."""
        self._scopes = set(request.stage.scopes[1:])
        self._made: set[str] = set()
        """Files that stages called inside it gave."""
        self._expires: float | None = None
        self._lasts = float("inf")
        """Seconds that what it took from other stages lasts at most, from when it took it."""
        if request.stage.settings.reads != "ignore":
            counted = frozenset[str]()
            if request.stage.settings.code != "version":
                counted = counted_by(request.stage.fn)
            memos = kept_by(request.stage.fn)
            self._recorder = Recorder(counted=counted, names=self._names, memos=memos)
            for module in modules_brought(context.store, request.key):
                self._recorder.seen.imported(module)
            counts = request.stage.counted
            self._recorder.note_argument_files(bound[name] for name in counts)
            for file in files_in([value for name, value in bound.items() if name not in counts]):
                self._recorder.declare(file)
            texts = list(texts_of(request.stage.fn))
            if unseen(packages_of(request.stage.fn)) or any(map(attaches, texts)):
                # What code names may be what it has opened past the interpreter.
                self._recorder.note_argument_files(texts)
            self._relied = Relied(memos)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Let what this context opens inside the block, and the stages it calls, be noted."""
        warming = Warming()
        filling = Filling(self._stage.fn) if self._stage.settings.code != "version" else None
        with calling(self):
            if self._recorder is None:
                yield
            else:
                with recording(self._recorder):
                    yield
            has_read = self._recorder is None or not self._recorder.seen.is_empty
            if not has_read:
                warming.keep()
            if filling is not None:
                self._is_steady = filling.keep(has_read=has_read)

    def _names(self, variable: str) -> bool:
        return any(is_in(variable, text) for text in texts_of(self.request.stage.fn))

    def absorb(self, reads: Iterable[Read]) -> None:
        """Note that the body rests on `reads`."""
        if self._recorder is not None:
            self._recorder.absorb(reads)

    def take_in(
        self, entry: Entry, stage: Stage[..., Any], now: float, value: Any, rests: list[Got]
    ) -> None:
        """Note that the body got a result of another stage: what it rests on, this rests on.

        A file that is the result was made or put back just now: to open it is no read. A stale
        result has expired: so will this one have, from the start. What concerns it concerns this.
        """
        taken = Taken.of(entry, stage, now, value, rests)
        if self._recorder is not None:
            taken.tell(self._recorder, entry)
        self._rest_on(taken)

    def _rest_on(self, taken: Taken) -> None:
        self._made.update(taken.made)
        for each in taken.rests:
            self._got[each] = None
            if type(each) is Call and each.result != taken.entry.result:
                self._state = None  # others were before, and theirs is what is kept
        with suppress(ValueError):
            epoch = Epoch.of(taken.entry.epoch)
            self._scopes.update((stage_scope(taken.entry.stage), *taken.scopes, *epoch.scopes))
            if self._store.outdated(taken.entry, taken.scopes) is not None:
                for log, number in self._numbers.items():
                    self._numbers[log] = min(number, epoch.numbers.get(log, 0))
        if taken.expires is not None:
            earlier = taken.expires if self._expires is None else self._expires
            self._expires = min(taken.expires, earlier)
            self._lasts = min(taken.lasts, self._lasts)

    @property
    def epoch(self) -> bytes:
        """Which marks the body knew of, and what beside its own stage they can concern."""
        return Epoch(self._numbers, tuple(sorted(self._scopes))).encoded()

    def expires(self, made: float) -> float | None:
        """Return when what other stages gave it expires, in seconds since the epoch.

        The clock may have been set while the body ran, so that the moment noted is far away
        from `made`; it never lasts longer than it did when it was taken in.
        """
        return None if self._expires is None else min(self._expires, made + self._lasts)

    def reads(self, result: Any) -> tuple[tuple[Read, ...], bool]:
        """Return what counts as reads, and whether none of it changed while the body ran.

        What changed has a digest that nothing matches: it also spoils a body that called this one.
        """
        recorder, name = self._recorder, self._stage.name
        if recorder is None:
            results, torn = self._results({})
            if torn:
                _warn_of_changes(name, torn)
            return results, not torn
        for taken in recorder.rests:
            self._rest_on(taken)
        given = files_in(result)
        if recorder.written():  # deep in objects are only its own
            given += [each for each in things_in([result]) if File in type(each).__mro__]
        returned = {os.path.abspath(file) for file in given}
        for file in given:
            recorder.give(file)
        with recording(None):
            recorder.absorb(self._relied.reads(recorder))
            recorder.give_names(result)
            found = recorder.reads()
            results, torn = self._results(self._relied.stages(recorder))
            changed = [*recorder.changed(), *torn]
            inputs = {recorder.place_of(read) for read in found if read.kind == "file"}
            kept = returned | self._made | inputs
            written = [path for path in recorder.written() if path not in kept]
        if written:
            _warn(
                f"`{name}` writes {_list(written)} and does not return it, so a hit will not write "
                "it again. Return `File(path)` from the stage, and the file is kept with it."
            )
        if not self._is_steady:
            _warn(
                f"`{name}` uses an object that changes each time it is used, after a method has "
                "filled it. The result is returned but not kept. Make that object in the stage."
            )
        if self._stage.settings.reads == "warn":
            files = [read.name for read in found if read.is_of_a_path]
            others = [read.shown for read in found if read.name not in files]
            if files:
                which, them = (
                    ("are no arguments", "them") if files[1:] else ("is no argument", "it")
                )
                _warn(
                    f"`{name}` reads {_list(files)}, which {which}. Pass {them} as `File`, or a "
                    "change there will not be noticed."
                )
            if others:
                _warn(
                    f"`{name}` asks for {_list(others)} by a name that it works out. Pass what "
                    "is there as an argument, or a change will not be noticed."
                )
            if torn:
                _warn_of_changes(name, torn)
            return results, not torn and self._is_steady
        if changed:
            _warn_of_changes(name, changed)
        return (*found, *results), not changed and self._is_steady

    def _results(self, in_memos: Mapping[str, bool]) -> tuple[tuple[Read, ...], list[str]]:
        """Return what counts as reads of results, and which changed while the body ran.

        If one that it got has expired meanwhile, so has what it gives: then none is missed.

        Parameters
        ----------
        in_memos : mapping
            Stages of which memos that the body used may hold results, as of ``given_by``.
        """
        merged = together(self._got, self._home, self._state)
        torn = [f"result of {each}" for each in merged.torn]
        if in_memos:
            held = given_by(in_memos, called_in(self._got), self._home)
            merged = together([*self._got, *held], self._home, None)
        self._scopes.update(merged.scopes)
        has_expired = self._expires is not None and self._expires <= self._clock.now()
        return merged.reads, [] if has_expired else torn


def _warn_of_changes(name: str, changed: Iterable[str]) -> None:
    _warn(
        f"{_list(changed)} changed while `{name}` read it, probably because something else writes "
        "it. The result is returned but not kept; the next run computes it again."
    )


def _list(names: Any) -> str:
    names = list(names)
    shown = ", ".join(f"{name!r}" for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _warn(message: str) -> None:
    warn(message, ImpureStageWarning)
