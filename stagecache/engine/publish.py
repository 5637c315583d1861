"""Publishes what a body gave: inputs still the same? -> fingerprint -> encode -> put."""

from __future__ import annotations

import os
import socket
import sys
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.engine.lookup import note_names, variant
from stagecache.engine.purity import inputs_hold
from stagecache.engine.why import describe_stage
from stagecache.errors import EncodeError, FingerprintError, StagecacheWarning
from stagecache.fingerprint.code import reference_name
from stagecache.fingerprint.values import fingerprint
from stagecache.model import Digest, Entry, Provenance

if TYPE_CHECKING:
    from stagecache.codecs import Sections
    from stagecache.engine.body import Body
    from stagecache.engine.context import Context
    from stagecache.engine.lookup import Found
    from stagecache.engine.request import Request
    from stagecache.engine.spool import Spool
    from stagecache.engine.values import Packing, Values
    from stagecache.model import Argument, Reason


class Produced(NamedTuple):
    """A result, just computed or found by a second look."""

    entry: Entry
    value: Any
    """The very value that the body returned, where `ran`."""
    ran: bool
    is_kept: bool
    """Whether a store holds it; if not, `value` is all there is."""
    seconds: float = 0.0
    arguments: tuple[Argument, ...] = ()
    """With the parts of their values, where `ran`."""
    why: Reason | None = None
    """Why `entry` is served though it has expired."""


class Publisher:
    """Keeps results, if they may be kept.

    Parameters
    ----------
    context : Context
        The engine's means.
    values : Values
        What encodes them.
    """

    def __init__(self, context: Context, values: Values) -> None:
        self._context = context
        self._store = context.store
        self._values = values
        self._described: set[Digest] = set()

    def packing(self, request: Request) -> Packing:
        """Return what packs the result of `request`."""
        settings = request.stage.settings
        wanted = settings.compression or self._context.settings.compression
        return self._values.packing(settings, None if wanted == "none" else wanted)

    def publish(self, body: Body, value: Any, seconds: float, found: Found) -> Produced:
        """Keep a result if it may be kept; say what became of it.

        Parameters
        ----------
        body : Body
            That has run.
        value : object
            What it returned.
        seconds : float
            What it took.
        found : Found
            What there was before it ran.
        """
        stage = body.request.stage
        entry, may_keep = self._judge(body, value, seconds)
        unkept = Produced(entry, value, True, False, seconds, body.arguments)
        try:
            identity = fingerprint(value, items=True, name="result")
        except FingerprintError as error:
            _warn_not_kept(stage.name, f"its result has no fingerprint: {error}")
            return unkept
        entry = entry._replace(
            result=identity.digest,
            refs=tuple(reference_name(ref) for ref in identity.refs),
            items=identity.items,
        )
        unkept = unkept._replace(entry=entry)
        if not may_keep:
            return unkept
        packing = self.packing(body.request)
        try:
            packed = packing.pack(value, identity)
        except EncodeError as error:
            packing.give_up()
            alone = packing.pack_for_memory(value, identity)
            if alone is None:
                _warn_not_kept(stage.name, str(error))
                return unkept
            _warn_kept_in_memory(stage.name, str(error))
            packed = alone
        entry = entry._replace(codec=packed.codec, parts=packed.parts)
        kept = self._keep(body, entry, packed.sections, found.entry)
        packing.adopt(kept.key)
        return unkept._replace(entry=kept, is_kept=kept.has_value)

    def publish_items(self, body: Body, spool: Spool, found: Found) -> Produced:
        """Do the same for what a generator yielded; where it is not kept, it is in memory."""
        entry, may_keep = self._judge(body, spool.files, spool.seconds)
        known = spool.identity
        if known is not None:
            refs = tuple(reference_name(ref) for ref in known.refs)
            entry = entry._replace(result=Digest(known.digest), refs=refs)
        unkept = Produced(entry, None, True, False, spool.seconds, body.arguments)
        packed = spool.packed
        if spool.problem:
            _warn_not_kept(body.request.stage.name, spool.problem)
        if not may_keep or known is None or packed is None:
            return unkept
        entry = entry._replace(codec=packed.codec, parts=packed.parts)
        kept = self._keep(body, entry, packed.sections, found.entry)
        if kept.has_value:
            spool.adopt(kept.key)
        return unkept._replace(entry=kept, is_kept=kept.has_value)

    def _judge(self, body: Body, value: Any, seconds: float) -> tuple[Entry, bool]:
        """Return what is known of a result beside its value, and whether it may be kept."""
        request, stage = body.request, body.request.stage
        hold = inputs_hold(request, body.bound)
        reads, reads_hold = body.reads(value)
        made = self._context.clock.now()
        entry = Entry(
            key=request.key,
            result=Digest(b""),
            stage=stage.qualified_name,
            code=request.code,
            codec="",
            inline=None,
            blob=None,
            size=0,
            created=made,
            seconds=seconds,
            reads=reads,
            expires=body.expires(made),
            epoch=body.epoch,
        )
        return entry, hold and reads_hold and request.is_kept

    def _keep(self, body: Body, entry: Entry, sections: Sections, replaced: Entry | None) -> Entry:
        request = body.request
        provenance = Provenance(
            request.key,
            body.arguments,
            socket.gethostname(),
            os.getpid(),
            ".".join(map(str, sys.version_info[:3])),
        )
        manifest = None
        if request.code not in self._described:
            manifest = describe_stage(request.stage, request.code)
            self._described.add(request.code)
        if entry.reads:
            note_names(self._store, request.key, entry.reads)
            aside = variant(request.key, entry.reads)
            standing = self._store.get(aside)
            self._store.put(
                entry._replace(key=aside, generation=_after(standing)),
                sections,
                provenance._replace(key=aside),
                manifest,
            )
        if replaced is not None and replaced.key != request.key:  # that of other files
            replaced = self._store.get(request.key)
        entry = entry._replace(generation=_after(replaced))
        return self._store.put(entry, sections, provenance, manifest)


def _after(replaced: Entry | None) -> int:
    return 0 if replaced is None else replaced.generation + 1


def _warn_kept_in_memory(stage: str, why: str) -> None:
    warnings.warn(
        f"The result of `{stage}` is kept in this process only, so others compute it again: {why}",
        StagecacheWarning,
        stacklevel=2,
    )


def _warn_not_kept(stage: str, why: str) -> None:
    warnings.warn(
        f"The result of `{stage}` is returned but not kept, so it will be computed again: {why}",
        StagecacheWarning,
        stacklevel=2,
    )
