"""Gathers the evidence for why a call would run; the judgement is `plan`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code import describe_code
from stagecache.plan import Evidence, Relative, nearest, reasons
from stagecache.records import Explanation

if TYPE_CHECKING:
    from stagecache.clock import Clock
    from stagecache.engine.request import Request
    from stagecache.model import CodeManifest, Digest, Entry, Provenance, Reason
    from stagecache.stage import Stage
    from stagecache.stores.base import Catalog

RELATIVES = 1_000
"""How many of a stage's newest results are compared with."""


class Witness:
    """Collects evidence for one run: what is kept of each stage is asked for only once.

    Parameters
    ----------
    catalog : Catalog
        Where kept results are listed.
    clock : Clock
        Where time comes from.
    """

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._kept: dict[str, list[tuple[Entry, Provenance]]] = {}
        self._manifests: dict[Digest, CodeManifest] = {}

    def prepare(self, stage: Stage[Any, Any]) -> None:
        """Take note of what is kept of `stage` before the run adds to it."""
        name = stage.qualified_name
        if name not in self._kept:
            self._kept[name] = list(self._catalog.entries(stage=name, limit=RELATIVES))

    def reasons(
        self, request: Request, entry: Entry | None, *, is_loadable: bool = True
    ) -> list[Reason]:
        """Return everything that is true of the request, the most telling first."""
        return reasons(self._evidence(request, entry, is_loadable))

    def first_reason(
        self, request: Request, entry: Entry | None, *, is_loadable: bool = True
    ) -> Reason | None:
        """Return why the request has to run."""
        found = self.reasons(request, entry, is_loadable=is_loadable)
        return found[0] if found else None

    def explain(self, request: Request, entry: Entry | None, *, is_hit: bool) -> Explanation:
        """Return the explanation of a call, for people."""
        evidence = self._evidence(request, entry, True)
        manifest = self._manifest_now(request)
        compared = ""
        if not is_hit and evidence.relative is not None:
            arguments = ", ".join(
                f"{a.name}={a.label}" for a in evidence.relative.provenance.arguments
            )
            compared = f"{request.stage.name}({arguments})"
        return Explanation(
            request.stage.qualified_name,
            is_hit,
            () if is_hit else tuple(reasons(evidence)),
            compared,
            manifest.unresolved,
            manifest.uncounted,
        )

    def _evidence(self, request: Request, entry: Entry | None, is_loadable: bool) -> Evidence:
        arguments = request.arguments()
        relative = None
        manifest = None
        if entry is None:
            self.prepare(request.stage)
            found = nearest(request.code, arguments, self._kept[request.stage.qualified_name])
            if found is not None:
                relative = Relative(*found, None)
                if found[0].code != request.code:
                    relative = Relative(*found, self._catalog.manifest(found[0].code))
                    manifest = self._manifest_now(request)
        return Evidence(
            self._clock.now(),
            request.stage.settings,
            entry,
            request.code,
            arguments,
            manifest,
            relative,
            is_loadable,
        )

    def _manifest_now(self, request: Request) -> CodeManifest:
        if request.code not in self._manifests:
            self._manifests[request.code] = describe_stage(request.stage, request.code)
        return self._manifests[request.code]


def describe_stage(stage: Stage[Any, Any], code: Digest) -> CodeManifest:
    """Return what the stage's code fingerprint `code` is made of, its declared version included."""
    from stagecache.fingerprint.values import fingerprint
    from stagecache.model import CodeManifest, CodePart

    settings = stage.settings
    described = (
        CodeManifest(code, ())
        if settings.code == "version"
        else describe_code(stage.fn)._replace(digest=code)
    )
    if settings.version is None:
        return described
    part = CodePart("version", "version", fingerprint(settings.version).digest, settings.version)
    return described._replace(parts=(*described.parts, part))
