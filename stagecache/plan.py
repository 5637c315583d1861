"""Decides whether a kept result is still good and, if not, why; pure: all evidence is passed in.

One predicate a reason, in one tuple. A lookup needs only :func:`judge`; the plan and the
summary take the first reason of :func:`reasons`, ``explain`` shows them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stagecache.differences import argument_change
from stagecache.model import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stagecache.marks import Outdated
    from stagecache.model import (
        Argument,
        CodeManifest,
        CodePart,
        Digest,
        Entry,
        Options,
        Provenance,
        Read,
        ReasonKind,
    )

CLOCK_TOLERANCE = 60.0
"""Seconds: an entry that expires and claims to be made later than this from now has expired."""


DEPENDS = "depends="
"""Name under which the answer of a stage's probe counts, beside its arguments."""


class Relative(NamedTuple):
    """The kept result of the same stage that is most like the one asked for."""

    entry: Entry
    provenance: Provenance
    manifest: CodeManifest | None


class Replaced(NamedTuple):
    """A result that a body got and would not get now."""

    call: str
    """As a person would write it."""
    is_gone: bool
    """Whether it was forgotten, and nothing has taken its place."""


class Evidence(NamedTuple):
    """All that a decision rests on."""

    now: float
    """Seconds since the epoch."""
    options: Options
    entry: Entry | None
    """What is kept under the very key."""
    code: Digest
    arguments: tuple[Argument, ...]
    manifest: CodeManifest | None
    relative: Relative | None
    is_loadable: bool = True
    """Whether the value of `entry` could be loaded, where that was tried."""
    changed: Read | None = None
    """A file that the body of `entry` read and that is not what it was."""
    replaced: Replaced | None = None
    """Where `changed` is a result of another stage: what became of it."""
    outdated: Outdated | None = None
    """Whether a mark says that `entry` is not good any more."""


def judge(
    entry: Entry | None, options: Options, now: float, outdated: Outdated | None = None
) -> ReasonKind | None:
    """Return why `entry` is no hit, or None if it is one.

    The value is not touched: whether it can be loaded shows when somebody asks for it.
    """
    if entry is None:
        return "absent"
    if outdated is not None:
        return "expired"
    if options.ttl is None and entry.expires is None:
        return None
    moment = expiry(entry, options)
    if moment is not None and (now >= moment or _is_of_the_future(entry, now)):
        return "expired"
    return None


def expiry(entry: Entry, options: Options) -> float | None:
    """Return when a result expires, in seconds since the epoch; None: never."""
    if options.ttl is None:
        return entry.expires
    own = entry.created + options.ttl
    return own if entry.expires is None else min(own, entry.expires)


def is_servable(
    entry: Entry, options: Options, now: float, outdated: Outdated | None = None
) -> bool:
    """Tell whether an expired result may still be served while somebody refreshes it."""
    if not entry.has_value or (outdated is not None and not outdated.is_soft):
        return False
    if outdated is not None and judge(entry, options, now) is None:
        return True  # whatever the stage says: to serve it is what a soft mark is for
    if options.serve_stale is None or _is_of_the_future(entry, now):
        return False
    moment = expiry(entry, options)
    return moment is not None and now < moment + options.serve_stale


def _is_of_the_future(entry: Entry, now: float) -> bool:
    """Tell whether the clock stood wrong, then or now: how old the result is, nobody knows."""
    return entry.created - CLOCK_TOLERANCE > now


def reasons(evidence: Evidence) -> list[Reason]:
    """Return everything that is true of the call, the most telling first."""
    return [reason for predicate in PREDICATES for reason in predicate(evidence)]


def _code(evidence: Evidence) -> list[Reason]:
    if evidence.entry is not None or evidence.relative is None:
        return []
    if evidence.relative.entry.code == evidence.code:
        return []
    changed = _changed_parts(evidence, ("function", "class", "value", "version"))
    if not changed and not _changed_parts(evidence, ("environment", "package")):
        return [Reason("code", evidence.relative.entry.stage.rpartition(":")[2])]
    return [Reason("code", name, detail) for name, detail in changed]


def _argument(evidence: Evidence) -> list[Reason]:
    return [
        Reason("argument", new.name, argument_change(old, new) if old else "new")
        for new, old in _changed_arguments(evidence)
        if new.name != DEPENDS
        and not (new.is_file and old is not None and old.is_file and new.label == old.label)
    ]


_WAS = {
    "missing": "was not there",
    "link": "points elsewhere now",
    "age": "was changed at another time, which the body asked for",
}


def _file(evidence: Evidence) -> list[Reason]:
    if evidence.changed is not None:
        kind, name, _ = evidence.changed
        if kind == "environment":
            return []
        if kind == "module":
            did = "unpickled this class" if ":" in name else "imported this module"
            return [Reason("file", name, f"the body {did}, and its code has changed")]
        if kind in ("probe", "item", "result"):
            return []
        was = _WAS.get(kind, "was read by the body and has changed")
        return [Reason("file", name, was)]
    return [
        Reason("file", new.label.removeprefix("File "), f"argument `{new.name}`")
        for new, old in _changed_arguments(evidence)
        if new.is_file and old is not None and old.is_file and new.label == old.label
    ]


def _environment(evidence: Evidence) -> list[Reason]:
    changed = _changed_parts(evidence, ("environment",))
    found = [Reason("environment", name, detail) for name, detail in changed]
    if evidence.changed is not None and evidence.changed.kind == "environment":
        name = evidence.changed.name
        what = "the environment" if name == "*" else name
        found.append(Reason("environment", what, "was read by the body and has changed"))
    return found


def _package(evidence: Evidence) -> list[Reason]:
    return [
        Reason("package", name, detail) for name, detail in _changed_parts(evidence, ("package",))
    ]


def _depends(evidence: Evidence) -> list[Reason]:
    if evidence.changed is not None and evidence.changed.kind == "item":
        item = evidence.changed.shown
        return [Reason("depends", item, "was read by the body and has changed")]
    if evidence.changed is not None and evidence.changed.kind == "probe":
        stage = evidence.changed.name.partition(" ")[0].rpartition(":")[2]
        return [Reason("depends", stage, "its probe answers something else")]
    if evidence.replaced is not None:
        call, is_gone = evidence.replaced
        became = "was forgotten" if is_gone else "was refreshed and is another one now"
        return [Reason("depends", f"result of {call}", became)]
    return [
        Reason("depends", f"was {old.label}, is {new.label}" if old else "new")
        for new, old in _changed_arguments(evidence)
        if new.name == DEPENDS
    ]


def _expired(evidence: Evidence) -> list[Reason]:
    entry, options, now = evidence.entry, evidence.options, evidence.now
    if entry is None:
        return []
    found = []
    if evidence.outdated is not None:
        found.append(Reason("expired", evidence.outdated.subject, told(evidence.outdated, now)))
    if judge(entry, options, now) == "expired":
        why = "a result that its body used has expired"
        if options.ttl is not None:
            why = f"ttl {options.ttl:.0f} s"
        found.append(Reason("expired", f"{now - entry.created:.0f} s old", why))
    if found and is_servable(entry, options, now, evidence.outdated):
        why = f"{found[-1].detail}; served all the same to others while one caller refreshes it"
        found[-1] = found[-1]._replace(detail=why)
    return found


def told(outdated: Outdated, now: float) -> str:
    """Return in words who marked a result as outdated, and when."""
    mark = outdated.mark
    if not mark.by:
        return "whoever kept them has lost them"
    age = max(0.0, now - mark.at)
    softly = "softly " if outdated.is_soft else ""
    return f"{softly}invalidated on {mark.by}, {age:.0f} s ago"


def _output(evidence: Evidence) -> list[Reason]:
    entry = evidence.entry
    if entry is None or entry.has_value:
        return []
    return [Reason("output", "", "the value was evicted; only its record was kept")]


def _absent(evidence: Evidence) -> list[Reason]:
    if evidence.entry is not None:
        return []
    if evidence.relative is None:
        return [Reason("absent", "", "nothing is kept of this stage")]
    if evidence.relative.entry.code != evidence.code or _changed_arguments(evidence):
        return []
    return [Reason("absent", "", "the result is not kept any more")]


def _unreadable(evidence: Evidence) -> list[Reason]:
    entry = evidence.entry
    if entry is None or evidence.is_loadable or not entry.has_value:
        return []
    why = "the kept value is missing, damaged or foreign, or names a class that is gone"
    return [Reason("unreadable", "", why)]


PREDICATES: tuple[Callable[[Evidence], list[Reason]], ...] = (
    _code,
    _argument,
    _file,
    _environment,
    _package,
    _depends,
    _expired,
    _output,
    _absent,
    _unreadable,
)


def nearest(
    code: Digest, arguments: tuple[Argument, ...], kept: Iterable[tuple[Entry, Provenance]]
) -> list[tuple[Entry, Provenance]]:
    """Return the kept results that differ least, as far as the parts of code are not looked at.

    `kept` is newest first, and so is what is returned.
    """
    best: list[tuple[Entry, Provenance]] = []
    best_score = 0
    wanted = {argument.name: argument for argument in arguments}
    for entry, provenance in kept:
        score = 3 * (entry.code == code)
        for old in provenance.arguments:
            new = wanted.get(old.name)
            if new is not None:
                score += 4 * (new.digest == old.digest) + 2 * (new.label == old.label)
        if score > best_score:
            best, best_score = [], score
        if score == best_score:
            best.append((entry, provenance))
    return best


def distance(one: CodeManifest, other: CodeManifest) -> int:
    """Return how many parts of one code the other one has not, or has otherwise."""
    mine = {(part.name, part.kind, part.digest) for part in one.parts}
    return len(mine.symmetric_difference((p.name, p.kind, p.digest) for p in other.parts))


def _changed_arguments(evidence: Evidence) -> list[tuple[Argument, Argument | None]]:
    if evidence.entry is not None or evidence.relative is None:
        return []
    old = {argument.name: argument for argument in evidence.relative.provenance.arguments}
    return [
        (new, old.get(new.name))
        for new in evidence.arguments
        if new.name not in old or old[new.name].digest != new.digest
    ]


def _changed_parts(evidence: Evidence, kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    if evidence.entry is not None or evidence.relative is None or evidence.manifest is None:
        return []
    before = evidence.relative.manifest
    if before is None:
        return []
    old = {part.name: part for part in before.parts if part.kind in kinds}
    new = {part.name: part for part in evidence.manifest.parts if part.kind in kinds}
    changed = [
        (name, _difference(old.get(name), part))
        for name, part in new.items()
        if name not in old or old[name].digest != part.digest
    ]
    return changed + [(name, "no longer reached") for name in old if name not in new]


def _difference(old: CodePart | None, new: CodePart) -> str:
    if old is None:
        return "newly reached"
    if new.kind not in ("function", "class"):
        return f"was {old.text}, is {new.text}"
    import difflib

    lines = difflib.unified_diff(
        old.text.splitlines(), new.text.splitlines(), "before", "now", lineterm="", n=2
    )
    return "\n".join(lines)
