"""Lets a body know what processes see for it that do work which they are handed.

They are programs of their own, and may be older than the body and serve others as well, as workers
of a pool do. So it is the work that says for whom it is done: what is seen meanwhile is told.
Who is forked by the body needs none of that; see ``forked``.
"""

from __future__ import annotations

import functools
import os
import sys
from contextlib import contextmanager, suppress
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from stagecache.fingerprint.reads import attribution, forked
from stagecache.fingerprint.reads.attribution import UNOWNED, begin, end, nobody, owner, working_for
from stagecache.fingerprint.reads.boxes import Address, Box, Teller, box_of, whom_it_concerns
from stagecache.fingerprint.reads.memos import Relied, at_work
from stagecache.fingerprint.reads.owners import bodies
from stagecache.fingerprint.reads.sources import hands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stagecache.fingerprint.reads.attribution import Owner
    from stagecache.fingerprint.reads.recorder import Recorder

_MOST = 8
"""How many bodies a process remembers that it worked for."""
_LOOPS = frozenset({
    "multiprocessing.pool", "concurrent.futures.process",
    "loky.process_executor", "joblib.externals.loky.process_executor",
})  # fmt: skip
"""Where the loops of workers are, whose work says itself for whom it is."""


class Handed:
    """Work for another process, with whom to tell what is seen.

    Parameters
    ----------
    call : callable
        The work.
    links : tuple of bytes
        A pickled link to each body that it is for: most of what it costs to pickle work.
    """

    __slots__ = ("_call", "_links")

    def __init__(self, call: Callable[..., Any], links: tuple[bytes, ...]) -> None:
        self._call = call
        self._links = links

    def __reduce__(self) -> tuple[Any, ...]:
        return Handed, (self._call, self._links)

    def __call__(self, /, *arguments: Any, **options: Any) -> Any:
        """Do it."""
        try:
            copies = _copies(self._links)
        except Exception:  # noqa: BLE001 - the work matters more
            copies = []
        if not copies:
            return self._call(*arguments, **options)
        with _working(copies):
            return self._call(*arguments, **options)


class _Link(NamedTuple):
    """How a body is told."""

    address: Address
    whom: tuple[int, ...]
    start: str
    memos: tuple[tuple[str, ...], ...]
    """Those that the body reaches, as :func:`memo_named` knows them."""
    prepared: str
    """By what the process was, as ``module:qualname``."""


def handed(call: Any, pool: Any) -> Any:
    """Return what does work in another process and says what is seen there to the bodies it is for.

    Parameters
    ----------
    call : callable or None
        The work.
    pool : object
        Who is given it.
    """
    is_of_threads = any(kind.__name__ == "ThreadPool" for kind in type(pool).__mro__)
    links = () if is_of_threads or not callable(call) else _links(_prepared_by(pool))
    return Handed(call, links) if links else call


def _prepared_by(pool: Any) -> str:
    """Name what has prepared the processes of a pool: all work may get what it kept."""
    found = getattr(pool, "_initializer", None)
    if type(found) is Handed:
        found = found._call
    return f"{found.__module__}:{found.__qualname__}" if type(found) is FunctionType else ""


def starts(process: Any, options: dict[str, Any]) -> Callable[[], None] | None:
    """Let a process that is started say what it sees."""
    hands(process, options)
    if getattr(getattr(process, "_target", None), "__module__", None) in _LOOPS:
        return None
    links = _links("")
    if not links or "run" in vars(process):
        return None
    process.run = Handed(process.run, links)
    return functools.partial(vars(process).pop, "run", None)


def _links(prepared: str) -> tuple[bytes, ...]:
    found = () if _is_another_python() else bodies()
    if not found:
        return ()
    ledgers = at_work(sys._getframe(1))
    with attribution.lock:
        return tuple(_link_to(one, ledgers, prepared) for one in found)


def _is_another_python() -> bool:
    """Tell whether processes are started with another interpreter: it may have nothing of ours."""
    spawn = sys.modules.get("multiprocessing.spawn")
    return spawn is not None and os.fsdecode(spawn.get_executable() or "") != sys.executable


def _link_to(one: Any, ledgers: Sequence[Owner], prepared: str) -> bytes:
    box = box_of(one)
    whom = one.seen.tell.whom if one.is_copy else whom_it_concerns(box, ledgers)
    known = box.links.get((whom, prepared))
    if known is None:
        import pickle

        names = tuple(memo.names for memo in one.memos if memo.names)
        link = _Link(box.address, whom, one.seen.start, names, prepared)
        known = box.links[whom, prepared] = pickle.dumps(link)
    return known


_made: dict[bytes, Recorder] = {}
"""What stands here for bodies of other processes, those that came last."""


def _copies(links: tuple[bytes, ...]) -> list[Recorder]:
    """Return what stands here for the bodies that work is for, if it does not yet or cannot."""
    mine = owner.get()
    found = []
    for told in links:
        copy = _made.get(told) or _running(told) or _make(told)
        if copy is not None and (copy is not mine or len(links) > 1):
            found.append(copy)
    return found


def _running(told: bytes) -> Recorder | None:
    """Return the body itself, or what was forked of it."""
    link = _link(told)
    for one in attribution.running:
        if one.box is not None and one.box.address == link.address:
            teller = one.seen.tell
            if teller is None or teller.whom == link.whom:
                return cast("Recorder", one)
    return None


def _make(told: bytes) -> Recorder | None:
    from stagecache.fingerprint.code.keeping import memo_named, memos_of
    from stagecache.fingerprint.reads.recorder import Recorder

    link = _link(told)
    with nobody():
        box = Box.at(link.address)
        if box is None:
            return None
        for old, copy in list(_made.items())[: 1 - _MOST]:
            if not copy.entered:
                _made.pop(old).box.leave()
        memos = tuple(memo_named(names) for names in link.memos)
        if link.prepared:
            with suppress(Exception):  # its code may be anything
                memos += memos_of(link.prepared)
        made = Recorder(memos=memos)
    made.is_copy, made.box = True, box
    made.seen.start, made.seen.tell = link.start, Teller(box, link.whom)
    box.links[link.whom, link.prepared] = told
    return _made.setdefault(told, made)


@functools.lru_cache(2 * _MOST)
def _link(told: bytes) -> _Link:
    import pickle

    link: _Link = pickle.loads(told)
    return link


@contextmanager
def _working(copies: list[Recorder]) -> Iterator[None]:
    away = tuple(copy for copy in copies if copy.is_copy)
    relied: list[tuple[Recorder, Relied]] = []
    with nobody(), suppress(Exception):  # the working directory may be gone
        for copy in away:
            copy.seen.works_in(os.getcwd())
        relied = [(copy, Relied(copy.memos)) for copy in away if copy.memos]
    forked.install()
    for copy in away:
        begin(copy)
    working = working_for.set(away)
    # For several it is as much of one as of the other.
    mine = owner.set(copies[0] if len(copies) == 1 else UNOWNED)
    try:
        yield
    finally:
        owner.reset(mine)
        working_for.reset(working)
        for copy in away:
            end(copy)
        with nobody(), suppress(Exception):
            for copy, memos in relied:
                copy.absorb(memos.reads(copy))
