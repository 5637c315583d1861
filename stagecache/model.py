"""The frozen words that the floors above speak to each other, and the two protocols they meet by.

The words are named tuples: immutable, picklable and cheap. Frozen dataclasses were tried and
cost 0.6 ms each to define and 20 ms to import, half of what ``import stagecache`` may take
(``docs/decisions/001-words-are-named-tuples.md``).
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NewType, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

Digest = NewType("Digest", bytes)
"""16 bytes: xxh3_128 of something canonical."""

Key = NewType("Key", bytes)
"""16 bytes: digest of (key schema, code fingerprint, argument fingerprints)."""

Status = Literal["hit", "ran", "failed", "skipped", "unknown"]

ReasonKind = Literal[
    "code",
    "argument",
    "file",
    "environment",
    "package",
    "depends",
    "expired",
    "output",
    "absent",
    "unreadable",
]


MOST_PARTS = 200
"""How many parts of an argument are kept so that a later change can be explained."""


ReadKind = Literal[
    "file", "tree", "missing", "directory", "environment", "module", "link", "age", "probe",
    "item", "result", "results",
]  # fmt: skip


class Read(NamedTuple):
    """A file or environment variable that a stage was seen to read without declaring it.

    A ``module`` is one of the user's that code imported by a name it worked out. Of a ``link`` it
    counts where it points, of an ``age`` when the file was changed last. A ``tree`` is a folder
    with all that is in it, a ``probe`` is that of a stage which the body called, and an ``item``
    is one of a collection, or all of them. A ``result`` is one that the body got of another stage;
    an entry has those of each stage together, as ``results``.
    """

    kind: ReadKind
    name: str
    """As it was opened: a relative path stays relative. Of an item, JSON: where the collection
    lies, its name, the encoded key and how a person writes that."""
    digest: Digest

    @property
    def is_of_a_path(self) -> bool:
        """Whether its name is that of a file or a folder."""
        return self.kind not in ("environment", "module", "probe", "item", "result", "results")

    @property
    def shown(self) -> str:
        """What a person calls it."""
        if self.kind in ("result", "results"):
            stage, _, _ = self.name.partition("\n")
            return f"{self.kind} of {stage}"
        if self.kind != "item":
            return self.name
        _, collection, _, key = self._item()
        return f"{collection}[{key}]" if key else str(collection)

    @property
    def place(self) -> tuple[str, str]:
        """Of an item, the collection that it is in."""
        directory, collection, *_ = self._item()
        return directory, collection

    def _item(self) -> list[str]:
        import json

        found: list[str] = json.loads(self.name)
        return found


class Entry(NamedTuple):
    """The record under a key: what a lookup needs to judge and to load a result."""

    key: Key
    result: Digest
    """Fingerprint of the value without the code of the classes in ``refs``."""
    stage: str
    """``module:qualname`` of the stage that computed it: provenance, not identity."""
    code: Digest
    codec: str
    inline: bytes | None
    """The encoded value when it is small, else None."""
    blob: Digest | None
    """Address of the encoded value when it is large. Both None: evicted, only the row is kept."""
    size: int
    """Encoded bytes."""
    created: float
    """Seconds since the epoch."""
    seconds: float
    """What it took to compute."""
    generation: int = 0
    """Grows by one with every recomputation under the same key; a commit wins only if newer."""
    reads: tuple[Read, ...] = ()
    refs: tuple[str, ...] = ()
    """``module:qualname`` of the user's classes and functions that the value names."""
    items: bytes | None = None
    """Digests of the elements of a list, tuple or dict: what ``node[i]`` is keyed by."""
    expires: float | None = None
    """Seconds since the epoch: when a result that the body took from another stage expires."""
    parts: tuple[Key, ...] = ()
    """Keys of the entries that the large elements of the value lie in; see :attr:`is_part`."""
    epoch: bytes = b""
    """Which marks were in force when its body started, and what beside its stage they can concern;
    see :mod:`stagecache.marks`. Empty: none, and nothing."""
    is_foreign: bool = False
    """Whether somebody else may have written its value, so that it is decoded as of a stranger."""

    @property
    def is_part(self) -> bool:
        """Whether it is no result of its own but a part of some, which hold it; of no stage."""
        return not self.stage

    @property
    def has_value(self) -> bool:
        """Whether a store keeps the value, not only the record."""
        return self.inline is not None or self.blob is not None


class Argument(NamedTuple):
    """One bound argument as a person would recognise it."""

    name: str
    digest: Digest
    label: str
    """For example ``File 2013-03.csv`` or ``DataFrame 27004x19``; of a node, its name."""
    is_file: bool = False
    parts: tuple[tuple[str, Digest], ...] | None = ()
    """Labels and digests of its columns, keys or positions, at most ``MOST_PARTS``; empty if there
    are none to tell of, None if its value is not at hand."""


class Provenance(NamedTuple):
    """Where an entry came from: read by ``ls`` and ``explain``, never by a lookup."""

    key: Key
    arguments: tuple[Argument, ...]
    host: str
    pid: int
    python: str


class CodePart(NamedTuple):
    """One piece of code or data that a stage's code fingerprint is made of."""

    name: str
    """For example ``tidy`` or ``LIMIT`` or ``pkg.mod.Parser.parse``."""
    kind: Literal["function", "class", "value", "package", "environment", "version"]
    digest: Digest
    text: str
    """Source text of code, short rendering of a value, version of a package."""


class CodeManifest(NamedTuple):
    """What a code fingerprint was made of, kept so that a later change can be explained."""

    digest: Digest
    parts: tuple[CodePart, ...]
    unresolved: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()
    """Globals that the code itself fills (memos); they do not count."""


class Reason(NamedTuple):
    """Why a stage has to run."""

    kind: ReasonKind
    subject: str
    """The very helper, argument, file, variable or package."""
    detail: str = ""
    """More for people: old and new text, a diff."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}" if self.subject else self.kind


class Outcome(NamedTuple):
    """What came of one node, or of one eager call."""

    node: str
    stage: str
    status: Status
    key: Key | None = None
    reason: Reason | None = None
    seconds: float = 0.0
    """Time that the body took now."""
    saved: float = 0.0
    """Time that a hit saved."""
    error: BaseException | None = None
    lasts: bool = True
    """Whether what the body gave is kept for others and later runs; if not, it runs again."""

    @property
    def is_unkept(self) -> bool:
        """Whether the body ran and nothing keeps what it gave."""
        return self.status == "ran" and not self.lasts


class RunRecord(NamedTuple):
    """One execution of a pipeline, as it is kept for ``status``."""

    pipeline: str
    started: float
    seconds: float
    ran: tuple[str, ...]
    hit: int
    failed: tuple[str, ...]
    saved: float


class Event(NamedTuple):
    """Something that happened to a node just now, for whoever listens."""

    kind: Literal["started", "hit", "ran", "waiting", "failed", "evicted"]
    node: str
    """Its name; of ``evicted`` the stage whose values gave way, as many as the message says."""
    at: float
    """Seconds since the epoch."""
    outcome: Outcome | None = None
    message: str = ""


class Options(NamedTuple):
    """What a person may say of a stage beside its code."""

    version: str | None = None
    ignore: tuple[str, ...] = ()
    ttl: float | None = None
    """Seconds."""
    code: Literal["track", "version"] = "track"
    codec: str | None = None
    compression: str | None = None
    """None: as the settings say; ``"none"``: never."""
    depends: Callable[..., Any] | None = None
    """A cheap probe of a source outside, asked at every lookup."""
    reads: Literal["track", "warn", "ignore"] = "track"
    determinism: Literal["trust", "check"] = "trust"
    serve_stale: float | None = None
    """Seconds after its expiry during which a result is served while one caller refreshes it."""
    early_refresh: float | None = None
    """How eagerly a result is refreshed before its expiry; 1.0 is usual."""
    tags: tuple[str, ...] = ()
    """By which its results can be invalidated together with those of other stages."""

    @property
    def is_renewed(self) -> bool:
        """Whether what is kept may be served while one caller computes it anew."""
        return self.serve_stale is not None or self.early_refresh is not None


class Conductor(Protocol):
    """Decides what a call of a stage means: an engine runs it, a tracer makes a node of it."""

    def call(self, stage: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the stage's value, from a store or by running it; or a node."""

    def call_async(self, stage: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Do the same for an ``async def`` stage: return an awaitable; or a node."""

    def map(self, stage: Any, calls: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> list[Any]:
        """Call a stage once for each (args, kwargs)."""

    def explain(self, stage: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the explanation of what the call would do."""

    def is_cached(self, stage: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Tell whether the call would be a hit."""

    def refresh(self, stage: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the stage and replace what is kept."""

    def forget(self, stage: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Drop what is kept for the call."""

    def forget_all(self, stage: Any) -> int:
        """Drop what is kept of the stage."""

    def invalidate(self, stage: Any, *, soft: bool) -> None:
        """Let nobody who shares results take what the stage computed before for good."""

    def accept(self, stage: Any) -> int:
        """Keep results of the stage's earlier code as those of its code now."""


class Memo(Protocol):
    """Remembers small facts that are dear to work out and cheap to check, such as a file's digest
    under its stat or the normal form of a code object under the digest of its raw form.

    A memo may forget at any time and must never be wrong: the key names everything that the
    value depends on.
    """

    def recall(self, kind: str, key: bytes) -> bytes | None:
        """Return what was remembered under `key`, or None."""

    def remember(self, kind: str, key: bytes, value: bytes) -> None:
        """Keep `value`; it may be written to disk later, or never."""


conductor: ContextVar[Conductor | None] = ContextVar("stagecache_conductor", default=None)
"""Who conducts in this context; None: the process's default."""

memo: ContextVar[Memo | None] = ContextVar("stagecache_memo", default=None)
"""Where this context remembers; None: nothing is remembered beyond the process."""

_open_default: Callable[[], Conductor] | None = None


def set_default_conductor(opener: Callable[[], Conductor]) -> None:
    """Say how the process's default conductor is found; called by the composition root."""
    global _open_default
    _open_default = opener


def current_conductor() -> Conductor:
    """Return who conducts here: this context's, else the process's default."""
    found = conductor.get()
    if found is not None:
        return found
    assert _open_default is not None, "the package sets it"
    return _open_default()
