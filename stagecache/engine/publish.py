"""Publishes what a body gave: inputs still the same? -> fingerprint -> encode -> put."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.codecs import is_safe
from stagecache.engine.purity import inputs_hold
from stagecache.engine.spool import Spool
from stagecache.engine.values import Gone
from stagecache.engine.variants import note_names, of_the_world, variant
from stagecache.errors import EncodeError, FingerprintError, warn
from stagecache.fingerprint.code import reference_name
from stagecache.fingerprint.values import fingerprint
from stagecache.model import Digest, Entry, Provenance

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.engine.body import Body
    from stagecache.engine.context import Context
    from stagecache.engine.handout import Handout
    from stagecache.engine.lookup import Found
    from stagecache.engine.request import Request
    from stagecache.engine.values import Packed, Packing, Values
    from stagecache.fingerprint.values import Fingerprint
    from stagecache.model import Argument, CodeManifest, Key, Reason


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
    handout: Handout | None = None
    """Of who shares `entry` with others in this process, and loads its value."""
    result: Digest | None = None
    """Fingerprint of `value`, where that is another one than `entry` has: others were before."""


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
        self._told: set[str] = set()
        """Stages of which it was said that what they give is not shared."""

    def packing(self, request: Request) -> Packing:
        """Return what packs the result of `request`."""
        return self._values.packing(request.stage.settings, self._compression(request))

    def _far_packing(self, request: Request) -> Packing | None:
        return self._values.far_packing(request.stage.settings, self._compression(request))

    def _compression(self, request: Request) -> str | None:
        wanted = request.stage.settings.compression or self._context.settings.compression
        return None if wanted == "none" else wanted

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
        except (FingerprintError, OSError) as error:  # the latter of a File that cannot be read
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
        slots = self._slots(body, entry, found.entry)
        near = self.packing(body.request)
        packed, kept, problem = None, None, ""
        try:
            packed = near.pack(value, identity)
        except EncodeError as error:
            near.give_up()
            problem = str(error)
        else:
            kept = slots.put(self._store.put, packed)
            near.adopt(kept.key)
        shared = self._share(body.request, slots, packed, value, identity)
        kept = kept or shared
        if kept is None:
            alone = near.pack_for_memory(value, identity)
            if alone is None:
                _warn_not_kept(stage.name, problem)
                return unkept
            _warn_kept_in_memory(stage.name, problem)
            kept = slots.put(self._store.put, alone)
        result = None if kept.result == identity.digest else Digest(identity.digest)
        return unkept._replace(entry=kept, is_kept=kept.has_value, result=result)

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
        slots = self._slots(body, entry, found.entry)
        kept = slots.put(self._store.put, packed)
        if kept.has_value:
            spool.adopt(kept.key)
            self._share_items(body.request, slots, spool)
        return unkept._replace(entry=kept, is_kept=kept.has_value)

    def _share(
        self,
        request: Request,
        slots: _Slots,
        packed: Packed | None,
        value: Any,
        identity: Fingerprint,
    ) -> Entry | None:
        """Put a result into the far tiers too; return the entry that stands there, if one does.

        Those who wait for it wait for that as well, so that whoever is let in next, on whatever
        machine, finds it.
        """
        far = self._far_packing(request)
        if far is None:
            return None
        try:
            if packed is None or not _can_be_shared(packed, slots.entry):
                packed = far.pack(value, identity)
        except EncodeError as error:
            far.give_up()
            self._tell_not_shared(request.stage.name, str(error))
            return None
        standing = slots.put(self._store.put_far, packed)
        far.adopt(standing.key)
        return standing if standing.has_value else None

    def _share_items(self, request: Request, slots: _Slots, spool: Spool) -> None:
        far = self._far_packing(request)
        if far is None:
            return
        again = Spool(self._values, far, self._context.clock, remembers=False)
        with suppress(Gone):
            again.take_in(spool.items())
            if again.packed is None:
                self._tell_not_shared(request.stage.name, again.problem)
            elif slots.put(self._store.put_far, again.packed).has_value:
                again.adopt(request.key)
            else:
                again.give_up()

    def _tell_not_shared(self, stage: str, why: str) -> None:
        if stage not in self._told:
            self._told.add(stage)
            _warn_not_shared(stage, why)

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

    def _slots(self, body: Body, entry: Entry, replaced: Entry | None) -> _Slots:
        """Return where a result is to lie: in which places, and what comes before it there."""
        import socket  # for whoever only hits it is not loaded

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
            manifest = request.manifest()
            self._described.add(request.code)
        places = []
        world = of_the_world(entry.reads)
        if world:
            note_names(self._store, request.key, world)
            aside = variant(request.key, world)
            places.append((aside, _after(self._store.get(aside))))
        if replaced is not None and replaced.key != request.key:  # that of other files
            replaced = self._store.get(request.key)
        places.append((request.key, _after(replaced)))
        return _Slots(entry, provenance, manifest, places)


class _Slots(NamedTuple):
    """Where one result lies, the same in all tiers."""

    entry: Entry
    provenance: Provenance
    manifest: CodeManifest | None
    places: list[tuple[Key, int]]
    """Keys and generations; the last is that of the call."""

    def put(self, put: Callable[..., Entry], packed: Packed) -> Entry:
        """Put it there in one form; return the entry of the last that stands."""
        entry = self.entry._replace(codec=packed.codec, parts=packed.parts)
        standing = entry
        for key, generation in self.places:
            standing = put(
                entry._replace(key=key, generation=generation),
                packed.sections,
                self.provenance._replace(key=key),
                self.manifest,
            )
        return standing


def _can_be_shared(packed: Packed, entry: Entry) -> bool:
    """Tell whether what was packed for this user alone is right for anybody."""
    return is_safe(packed.codec) and not packed.parts and not entry.refs


def _after(replaced: Entry | None) -> int:
    return 0 if replaced is None else replaced.generation + 1


def _warn_kept_in_memory(stage: str, why: str) -> None:
    warn(f"The result of `{stage}` is kept in this process only, so others compute it again: {why}")


def _warn_not_shared(stage: str, why: str) -> None:
    warn(
        f"Results of `{stage}` are kept on this machine only, so others compute them again: {why}. "
        "A team with a `signing_key` may set `allow_pickle`; or return what plain values, arrays "
        "and frames can hold."
    )


def _warn_not_kept(stage: str, why: str) -> None:
    warn(f"The result of `{stage}` is returned but not kept, so it will be computed again: {why}")
