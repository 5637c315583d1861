"""Every error and warning that stagecache raises: one family, named by cause, picklable."""

from __future__ import annotations

import sys
import warnings


class StagecacheError(Exception):
    """Base of all errors raised by stagecache.

    Subclasses pass every field to ``Exception.__init__`` through :meth:`__reduce__`,
    so that an error keeps its fields when it travels between processes.
    """


class FingerprintError(StagecacheError):
    """A value or a piece of code has no sound fingerprint.

    Parameters
    ----------
    subject : str
        What could not be fingerprinted, as a path that a reader can follow,
        for example ``config['db'].conn``.
    problem : str
        Why, for example ``sqlite3.Connection cannot be taken apart``.
    where : str, optional
        Whose argument it is, for example ``argument of load``.
    remedy : str, optional
        What to do about it.
    """

    def __init__(self, subject: str, problem: str, where: str = "", remedy: str = "") -> None:
        self.subject = subject
        self.problem = problem
        self.where = where
        self.remedy = remedy
        place = f" ({where})" if where else ""
        advice = f" {remedy}" if remedy else ""
        super().__init__(f"Cannot fingerprint `{subject}`{place}: {problem}.{advice}")

    def __reduce__(self) -> tuple[type[FingerprintError], tuple[str, str, str, str]]:
        return type(self), (self.subject, self.problem, self.where, self.remedy)


class EncodeError(StagecacheError):
    """No codec can hold a value exactly, or the chosen one cannot."""


class DecodeError(StagecacheError):
    """Stored bytes cannot be turned into a value: foreign, damaged, or of another version."""


class StoreError(StagecacheError):
    """A store is in trouble (full disk, no permission, broken index); the job goes on."""


class ShelfError(StoreError):
    """A place that many machines reach did not do what it was asked.

    Parameters
    ----------
    shelf : str
        Its URL, without user and password.
    problem : str
        What it answered, or that it does not.
    is_outage : bool
        True: it serves nobody at present, so that asking again soon is of no use. False: this one
        request was refused (no memory left, a replica that only reads, a value that is too large),
        and others may go through.

    Examples
    --------
    >>> print(ShelfError("redis://cache:6379/0", "no answer within 0.25 s", is_outage=True))
    redis://cache:6379/0 is out of reach: no answer within 0.25 s
    """

    def __init__(self, shelf: str, problem: str, is_outage: bool) -> None:
        self.shelf = shelf
        self.problem = problem
        self.is_outage = is_outage
        what = "is out of reach" if is_outage else "refused"
        super().__init__(f"{shelf} {what}: {problem.rstrip('.')}")

    def __reduce__(self) -> tuple[type[ShelfError], tuple[str, str, bool]]:
        return type(self), (self.shelf, self.problem, self.is_outage)


class NotToldError(StagecacheError):
    """Results are marked as outdated on this machine, but others could not be told."""


class DoesNotFitError(StoreError):
    """A result is larger than a store's bound leaves room for; it is returned, not kept.

    Parameters
    ----------
    root : str
        The cache directory.
    stage : str
        Whose result it is; empty for a part of one.
    size : int
        Its bytes.
    max_size : int
        The bound in bytes.
    """

    def __init__(self, root: str, stage: str, size: int, max_size: int) -> None:
        self.root = root
        self.stage = stage
        self.size = size
        self.max_size = max_size
        what = f"result of `{stage}`" if stage else "part of a result"
        super().__init__(
            f"A {what} ({size:,} bytes) finds no room in {root}, which `max_size` "
            f"bounds to {max_size:,} bytes. Raise `max_size`, or free some space with `stagecache "
            "gc`."
        )

    def __reduce__(self) -> tuple[type[DoesNotFitError], tuple[str, str, int, int]]:
        return type(self), (self.root, self.stage, self.size, self.max_size)


class CollectionFullError(StoreError):
    """An item finds no room in a collection that is not to let others go; nothing was changed.

    Parameters
    ----------
    name : str
        The collection's.
    max_items, max_size : int or None
        What it was declared to hold at most; bytes of encoded values.
    """

    def __init__(self, name: str, max_items: int | None, max_size: int | None) -> None:
        self.name = name
        self.max_items = max_items
        self.max_size = max_size
        bounds = [f"{max_items:,} items"] if max_items is not None else []
        bounds += [f"{max_size:,} bytes"] if max_size is not None else []
        super().__init__(
            f"{name!r} is full: it was declared to hold at most {' and '.join(bounds)}. Remove "
            "some items, or let others give way by `when_full`."
        )

    def __reduce__(self) -> tuple[type[CollectionFullError], tuple[str, int | None, int | None]]:
        return type(self), (self.name, self.max_items, self.max_size)


class QueueClosedError(StagecacheError):
    """A queue was closed in this process; its items are where they were.

    Parameters
    ----------
    name : str
        The queue's.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the queue {name!r} was closed in this process, with its cache perhaps")

    def __reduce__(self) -> tuple[type[QueueClosedError], tuple[str]]:
        return type(self), (self.name,)


class LeaseError(StagecacheError):
    """A key cannot be computed now without waiting for ever, for instance on oneself."""


class LockError(StagecacheError, RuntimeError):
    """A lock of the user's cannot be what it promises.

    Parameters
    ----------
    name : str
        The lock's.
    problem : str
        What is wrong, and what to do.

    Examples
    --------
    >>> print(LockError("reports", "nobody has it"))
    Lock 'reports': nobody has it
    """

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self.problem = problem
        super().__init__(f"Lock {name!r}: {problem}")

    def __reduce__(self) -> tuple[type[LockError], tuple[str, str]]:
        return type(self), (self.name, self.problem)


class NotHeldError(LockError):
    """A lock was released by somebody who does not have it; who has it still does."""


class LockLostError(LockError):
    """A lock was somebody else's before it was released: others may have been at work as well."""


class LockUnavailableError(LockError):
    """Nobody can say who has a lock: its server or its file is out of reach. It is not acquired."""


class TraceError(StagecacheError, TypeError):
    """A node was used as if it were a value, or outside the pipeline that it belongs to."""


class ReplayError(StagecacheError):
    """An item of a generator's result is lost, and its body does not give the same ones again."""


class StageDefinitionError(StagecacheError, TypeError):
    """A stage or a pipeline is declared in a way that cannot work."""


class SettingsError(StagecacheError, ValueError):
    """A setting has an unknown name or an unusable value."""


class UnknownNameError(StagecacheError, LookupError):
    """A pipeline, stage, node or parameter of that name does not exist."""


class StagecacheWarning(UserWarning):
    """Something went wrong beside the user's job; the job itself goes on."""


class ImpureStageWarning(StagecacheWarning):
    """A stage changed its argument, or its inputs changed while it ran."""


def warn(message: str, category: type[StagecacheWarning] = StagecacheWarning) -> None:
    """Warn at the line that called stagecache, however deep in it the trouble was met.

    Parameters
    ----------
    message : str
        What happened, the likely cause, the consequence, the next step.
    category : type, optional
        Of the warning.
    """
    frame = caller = sys._getframe(1)
    package = __name__.partition(".")[0]
    while frame.f_globals.get("__name__", "").partition(".")[0] == package:
        if frame.f_back is None:  # a thread of ours
            frame = caller
            break
        frame = frame.f_back
    names = frame.f_globals
    # Loaders show the line; where there is none, as in scripts, Python 3.12 warns of that itself.
    has_loader = getattr(names.get("__spec__"), "loader", None) is not None
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        names.get("__name__"),
        names.setdefault("__warningregistry__", {}),
        names if has_loader else None,
    )
