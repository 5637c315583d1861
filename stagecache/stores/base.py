"""What a store is, and which abilities it may have besides; how bytes are kept is each store's own.

Stores see keys, entries and bytes, never stages. A miss is a value (None), trouble is a
:class:`~stagecache.errors.StoreError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from stagecache.model import Memo

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from typing_extensions import Buffer

    from stagecache.marks import Log
    from stagecache.model import CodeManifest, Digest, Entry, Key, Provenance, RunRecord
    from stagecache.stores.reports import (
        Bound,
        Checked,
        GcReport,
        Problem,
        StageStats,
        StoreStats,
    )

Sections: TypeAlias = "Sequence[Buffer]"
"""An encoded value: one or more C-contiguous buffers."""

INLINE_LIMIT = 16 << 10
"""Bytes: an encoded value up to this size lies in the entry itself. Reads cross at 8-16 KB."""


class Store(Protocol):
    """Keeps entries under keys, and the encoded values that they describe. Thread-safe.

    A *part* is an entry of no stage, kept for the sake of the entries whose ``parts`` name it: it
    goes with the last of them, and nobody is told of it who asks what is kept. It is put before
    the entry that is to hold it; until then it is held by the key that its provenance names,
    under which there is never an entry. To remove that key lets go of it.
    """

    def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`. Nothing is written, no value is loaded."""

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        """Return the entries under those of `keys` that there are."""

    def put(
        self,
        entry: Entry,
        sections: Sections,
        provenance: Provenance,
        manifest: CodeManifest | None,
    ) -> Entry:
        """Keep a result unless one is kept already, and return what stands afterwards.

        Parameters
        ----------
        entry : Entry
            With neither ``inline`` nor ``blob``: where the value goes is decided here. An
            entry that stands is replaced only by one of a greater ``generation``. Its ``size``
            counts its parts too.
        sections : Sections
            The encoded value; not kept by reference.
        provenance : Provenance
            Where the entry comes from.
        manifest : CodeManifest or None
            What its code fingerprint was made of, if the store may not know yet.

        Raises
        ------
        StoreError
            If it cannot be kept, or one of its parts is not here. Nothing is left behind.
        """

    def load(self, entry: Entry) -> list[memoryview] | None:
        """Return the sections of an entry's value, or None if they are gone or damaged.

        Writable sections are the caller's alone; read-only ones may be shared.

        Raises
        ------
        StoreError
            If they may be there and cannot be read.
        """

    def remove(self, keys: Iterable[Key]) -> int:
        """Forget what is kept under `keys`; return how many there were."""

    def close(self) -> None:
        """Write out what is pending and let go of files; a later use opens them again."""


@runtime_checkable
class Versioned(Protocol):
    """A store whose entries may be remembered elsewhere, and that tells when to forget them."""

    def version(self) -> int:
        """Return a number that differs once an entry that was got before may be gone or replaced.

        The same for all threads and processes. New entries do not change it: only what is
        there can be remembered, never that something is absent.
        """


@runtime_checkable
class Digesting(Protocol):
    """A store that says which results it has for less than it takes to give their entries."""

    def results(self, keys: Sequence[Key]) -> dict[Key, Digest]:
        """Return the fingerprints of the results under those of `keys` that there are."""


@runtime_checkable
class KeepsMarks(Protocol):
    """A store that keeps what is marked as outdated, in one document, as long as the results."""

    def marks(self) -> bytes | None:
        """Return the document, or None if there is none.

        Raises
        ------
        StoreError
            If it cannot be read.
        """

    def change_marks(self, change: Callable[[bytes | None], bytes]) -> None:
        """Replace the document by what `change` makes of it, one caller after the other.

        :meth:`Versioned.version` differs afterwards, for all processes.

        Raises
        ------
        StoreError
            If it cannot be kept.
        """


class TeamLog(Protocol):
    """The log of all that share a tier. It warns of its own trouble and never raises."""

    def read(self, known: Log | None) -> Log | None:
        """Return the log as it is now, `known` or newer; None: it does not tell."""

    def append(self, known: Log | None, change: Callable[[Log], Log]) -> Log | None:
        """Let `change` add a mark to the newest state, and return it; None: it is not kept."""


@runtime_checkable
class Telling(Protocol):
    """A store that others reach too, by which they are told what is outdated.

    What they remove or replace there is told by marks as well, so its entries may be remembered.
    """

    @property
    def team_log(self) -> TeamLog:
        """The marks of all who reach it."""

    @property
    def is_out(self) -> bool:
        """Whether it is out of reach, so that what is put would be put in vain."""


@runtime_checkable
class Vouching(Protocol):
    """A store that knows who can have written what it gives.

    One that others may write to hands out no entry whose codec can run code. An entry that is
    foreign when it is put is so when it is got.
    """

    @property
    def private(self) -> bool:
        """Whether nobody but this user writes there, so that it may keep pickles."""

    @property
    def writable(self) -> bool:
        """Whether it takes results at all."""

    def vouches_for(self, entry: Entry) -> bool:
        """Tell whether only this user, or his team, can have written the value of an entry."""


@runtime_checkable
class Noting(Protocol):
    """A store that may know of a result whose value only another tier has."""

    def note(self, entry: Entry, provenance: Provenance, manifest: CodeManifest | None) -> None:
        """Keep an entry without a value, unless one stands that is as new.

        Raises
        ------
        StoreError
            If it cannot be kept.
        """


@runtime_checkable
class Snapshots(Protocol):
    """A store that is read faster when many reads are taken together."""

    def reading(self) -> AbstractContextManager[None]:
        """Let all reads of this thread inside the block see one state. Short, re-entrant."""


@runtime_checkable
class Preparable(Protocol):
    """A store that other rooms need to be there before it holds anything."""

    def prepare(self) -> None:
        """Make what has to exist. Cheap when it does.

        Raises
        ------
        StoreError
            If it cannot be made.
        """


@runtime_checkable
class Catalog(Protocol):
    """A store that can say what it holds."""

    def entries(
        self, stage: str | None = None, limit: int | None = None
    ) -> Iterator[tuple[Entry, Provenance]]:
        """Yield what is kept, newest first, of one stage (``module:qualname``) or of all."""

    def listed(self, key: Key) -> tuple[Entry, Provenance] | None:
        """Return what is kept under `key`, as :meth:`entries` yields it."""

    def manifest(self, code: Digest) -> CodeManifest | None:
        """Return what a code fingerprint was made of."""

    def find(self, prefix: str) -> list[Key]:
        """Return the keys that begin with the hexadecimal `prefix`."""

    def stages(self) -> list[StageStats]:
        """Return what is kept of each stage."""

    def record_run(self, run: RunRecord) -> None:
        """Keep the record of a run."""

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """Return the records of the last runs, newest first."""

    def stats(self) -> StoreStats:
        """Return counts and sizes."""

    def count_use(self, key: Key, saved_seconds: float) -> None:
        """Note that a result was used in place of computing it; written now and then, if it can."""

    def total_saved(self) -> float:
        """Return the seconds that all uses saved, also of results that are gone."""


@runtime_checkable
class Remembers(Memo, Protocol):
    """A store that keeps small facts as well, and never raises for their sake."""


@runtime_checkable
class Bounded(Protocol):
    """A store that may be bounded."""

    def bound(self) -> Bound:
        """Return how much it may hold, and holds."""


@runtime_checkable
class Collectable(Protocol):
    """A store that gathers rubbish and can be checked."""

    def gc(
        self,
        *,
        dry_run: bool = False,
        max_size: int | None = None,
        older_than: float | None = None,
        stages: Collection[str] | None = None,
    ) -> GcReport:
        """Remove what no entry refers to and no writer is still at work on.

        Parameters
        ----------
        dry_run : bool, optional
            Only say what would go.
        max_size : int, optional
            Bytes: values give way until no more are taken; by default the store's own bound.
        older_than : float, optional
            Seconds: results that were neither made nor used for so long are forgotten.
        stages : collection of str, optional
            Results of these stages (``module:qualname``) are forgotten, the old ones if
            `older_than` is said too.
        """

    def verify(
        self, *, repair: bool = False, progress: Callable[[Checked], None] | None = None
    ) -> list[Problem]:
        """Check every entry and every value; return the problems found.

        Parameters
        ----------
        repair : bool, optional
            Set aside what is damaged and forget the entries that rest on it, so that it is
            computed again. Otherwise nothing is changed.
        progress : callable, optional
            Called now and then, in the caller's thread. What it raises ends the check.
        """
