"""Opens and closes the time in which a recorder sees what its body does."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from stagecache.fingerprint.reads.attribution import UNOWNED, begin, end, nobody, owner
from stagecache.fingerprint.reads.once import once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.fingerprint.reads.recorder import Recorder


@once
def listen() -> None:
    """Begin to see what the process does, once: who keeps what he reads may do so before any body.

    Nothing of that is ever taken back.
    """
    from stagecache.fingerprint.reads import (
        descriptors,
        hook,
        imports,
        looks,
        native,
        places,
        variables,
    )

    hook.install()
    descriptors.install()
    native.install()
    variables.install()
    imports.install()
    looks.install()
    places.install()


@once
def _be_ready_for_forks() -> None:
    from stagecache.fingerprint.reads import forked

    forked.install()


@contextmanager
def recording(recorder: Recorder | None) -> Iterator[None]:
    """Let the events of this context belong to `recorder` inside the block.

    The context goes along into asyncio tasks and ``asyncio.to_thread``. Threads without an owner
    count for every recorder that is running. Of nested recorders the innermost is told; the outer
    one learns by :meth:`Recorder.absorb`.

    Parameters
    ----------
    recorder : Recorder or None
        None: what happens is stagecache's own work and nobody's read.

    Examples
    --------
    >>> from stagecache.fingerprint.reads import Recorder
    >>> recorder = Recorder()
    >>> with recording(recorder):
    ...     current_recorder() is recorder
    True
    """
    if recorder is None:
        with nobody():
            yield
        return
    listen()
    _be_ready_for_forks()
    begin(recorder)
    token = owner.set(recorder)
    try:
        yield
    finally:
        owner.reset(token)
        end(recorder)
        if not recorder.entered:
            recorder.hear()


def current_recorder() -> Recorder | None:
    """Return the recorder that this context's events belong to, if it has one of its own."""
    mine = owner.get()
    return None if mine is UNOWNED else cast("Recorder | None", mine)
