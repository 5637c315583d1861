"""Gathers the evidence for why a call would run; the judgement is `plan`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.engine.resting import Call
from stagecache.fingerprint.code import packages_of
from stagecache.fingerprint.reads.unseen import unseen
from stagecache.plan import Evidence, Relative, Replaced, distance, nearest, reasons
from stagecache.records import Explanation

if TYPE_CHECKING:
    from stagecache.clock import Clock
    from stagecache.engine.lookup import Found
    from stagecache.engine.request import Request
    from stagecache.model import Argument, CodeManifest, Digest, Entry, Provenance, Reason
    from stagecache.stage import Stage
    from stagecache.stores.tiered import Tiered

RELATIVES = 1_000
"""How many of a stage's newest results are compared with."""
_CODES = 8
"""How many of a stage's newest codes are compared with, where nothing else tells them apart."""


class Witness:
    """Collects evidence for one run: what is kept of each stage is asked for only once.

    Parameters
    ----------
    store : Tiered
        Where kept results are listed.
    clock : Clock
        Where time comes from.
    """

    def __init__(self, store: Tiered, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._kept: dict[str, list[tuple[Entry, Provenance]]] = {}
        self._manifests: dict[Digest, CodeManifest] = {}

    def prepare(self, stage: Stage[Any, Any]) -> None:
        """Take note of what is kept of `stage` before the run adds to it."""
        name = stage.qualified_name
        if name not in self._kept:
            self._kept[name] = list(self._store.entries(stage=name, limit=RELATIVES))

    def first_reason(
        self, request: Request, found: Found, seen: tuple[Argument, ...] = ()
    ) -> Reason | None:
        """Return why the request has to run.

        Parameters
        ----------
        request, found
            The call, and what was found of it.
        seen : tuple of Argument, optional
            Its arguments with the parts of their values, if these have been at hand meanwhile.
        """
        true = self.all_reasons(request, found, seen)
        return true[0] if true else None

    def all_reasons(
        self, request: Request, found: Found, seen: tuple[Argument, ...] = ()
    ) -> tuple[Reason, ...]:
        """Return everything because of which the request has to run, the first reason first."""
        return tuple(reasons(self._evidence(request, found, seen)))

    def explain(self, request: Request, found: Found) -> Explanation:
        """Return the explanation of a call, for people."""
        is_hit = is_loadable_hit(self._store, found)
        evidence = self._evidence(request, found)
        manifest = self._manifest_now(request)
        compared = ""
        if not is_hit and evidence.relative is not None:
            compared = _call(request.stage.name, evidence.relative.provenance)
        return Explanation(
            request.stage.qualified_name,
            is_hit,
            () if is_hit else tuple(reasons(evidence)),
            compared,
            manifest.unresolved,
            manifest.uncounted,
            unseen(packages_of(request.stage.fn)),
        )

    def _evidence(
        self, request: Request, found: Found, seen: tuple[Argument, ...] = ()
    ) -> Evidence:
        entry = found.entry
        arguments = seen or request.arguments()
        relative = None
        manifest = None
        if entry is None:
            self.prepare(request.stage)
            alike = nearest(request.code, arguments, self._kept[request.stage.qualified_name])
            if alike:
                relative = Relative(*alike[0], None)
                if relative.entry.code != request.code:
                    manifest = self._manifest_now(request)
                    relative = self._relative(alike, manifest)
                if not seen:
                    arguments = _looked_into(request, arguments, relative.provenance)
        return Evidence(
            self._clock.now(),
            request.stage.settings,
            entry,
            request.code,
            arguments,
            manifest,
            relative,
            is_loadable=found.is_loadable,
            changed=found.changed,
            replaced=self._replaced(found),
            outdated=found.outdated,
        )

    def _replaced(self, found: Found) -> Replaced | None:
        if found.changed is None or found.changed.kind != "result":
            return None
        one = Call.of(found.changed)
        kept = self._store.listed(one.key) if not one.home else None
        name = one.stage.rpartition(":")[2].rpartition(".")[2]
        if kept is None:
            return Replaced(name, is_gone=not one.home)
        return Replaced(_call(name, kept[1]), is_gone=False)

    def _relative(self, alike: list[tuple[Entry, Provenance]], manifest: CodeManifest) -> Relative:
        """Return the result whose code differs least: whoever went back goes on from there."""
        newest: dict[Digest, Relative] = {}
        for entry, provenance in alike:
            if entry.code not in newest:
                if len(newest) == _CODES:
                    break
                kept = self._store.manifest(entry.code)
                newest[entry.code] = Relative(entry, provenance, kept)
        return min(newest.values(), key=lambda one: _distance(manifest, one.manifest))

    def _manifest_now(self, request: Request) -> CodeManifest:
        if request.code not in self._manifests:
            self._manifests[request.code] = request.manifest()
        return self._manifests[request.code]


def _call(name: str, provenance: Provenance) -> str:
    arguments = [f"{a.name.removesuffix('=')}={a.label}" for a in provenance.arguments]
    return f"{name}({', '.join(arguments)})"


def _distance(now: CodeManifest, before: CodeManifest | None) -> float:
    return float("inf") if before is None else distance(now, before)


def _looked_into(
    request: Request, arguments: tuple[Argument, ...], kept: Provenance
) -> tuple[Argument, ...]:
    """Return the arguments, those that have changed with their parts."""
    same = {(old.name, old.digest) for old in kept.arguments}
    return tuple(
        argument if (argument.name, argument.digest) in same else request.with_parts(argument)
        for argument in arguments
    )


def is_loadable_hit(store: Tiered, found: Found) -> bool:
    """Tell whether a result is good and its value still kept, here or by others."""
    entry = found.entry
    return found.is_good and entry is not None and store.valued(entry) is not None
